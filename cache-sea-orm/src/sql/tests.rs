//! What is read from the text of statements, and above all what is not.

use super::*;

fn read(sql: &str) -> Vec<Token> {
    tokens(sql, DbBackend::Postgres).expect("it can be read")
}

fn id() -> Vec<String> {
    vec!["id".to_owned()]
}

#[test]
fn a_condition_that_fixes_the_key_is_seen() {
    for (sql, marks) in [
        (r#"SELECT "user"."id", "user"."name" FROM "user" WHERE "user"."id" = $1 LIMIT $2"#, vec![0]),
        (r#"SELECT "id" FROM "public"."user" WHERE "name" = $1 AND "user"."id" = $2"#, vec![1]),
        (r#"SELECT "id" FROM "user" WHERE "id" IN ($1, $2) ORDER BY "id" ASC"#, vec![0, 1]),
        (r#"SELECT COUNT("id") FROM "user" WHERE "since" >= $1 AND "id" = $2 AND "since" <> $3"#, vec![1]),
        (r#"UPDATE "user" SET "name" = $1 WHERE "user"."id" = $2 RETURNING "id", "name""#, vec![1]),
        (r#"DELETE FROM "user" WHERE "user"."id" = $1"#, vec![0]),
    ] {
        assert_eq!(fixed(&read(sql), &id()), Some(vec![marks]), "{sql}");
    }
    let both = r#"DELETE FROM "m" WHERE "m"."user_id" = $1 AND "m"."club" = $2"#;
    let key = ["club", "user_id"].map(str::to_owned);
    assert_eq!(fixed(&read(both), &key), Some(vec![vec![1], vec![0]]));
    assert_eq!(fixed(&read(both), &id()), None, "half of a key, or another");
}

#[test]
fn any_other_condition_says_nothing() {
    for sql in [
        r#"SELECT "id" FROM "user""#,
        r#"SELECT "id" FROM "user" WHERE "id" = $1 OR "name" = $2"#,
        r#"SELECT "id" FROM "user" WHERE NOT "id" = $1"#,
        r#"SELECT "id" FROM "user" WHERE ("id" = $1)"#,
        r#"SELECT "id" FROM "user" WHERE "id" > $1"#,
        r#"SELECT "id" FROM "user" WHERE "id" = $1 + 1"#,
        r#"SELECT "id" FROM "user" WHERE "id" = "team_id""#,
        r#"SELECT "id" FROM "user" WHERE "id" - "id" = $1"#,
        r#"SELECT "id" FROM "user" WHERE "since" BETWEEN $1 AND "id" = $2"#,
        r#"SELECT "id" FROM "user" WHERE "id" IN (SELECT "user_id" FROM "post")"#,
        r#"SELECT "id" FROM "user" WHERE "id" NOT IN ($1)"#,
        r#"SELECT "id" FROM "user" UNION ALL SELECT "id" FROM "user" WHERE "id" = $1"#,
        r#"SELECT "id" FROM "user" JOIN "post" ON "a" = "b" WHERE "id" = $1"#,
        r#"SELECT "id" FROM "user", "post" WHERE "id" = $1"#,
        r#"SELECT "id" FROM "user" AS "other" WHERE "id" = $1"#,
        r#"SELECT (SELECT max("id") FROM "user") FROM "user" WHERE "id" = $1"#,
        r#"WITH "user" AS (SELECT 1) SELECT "id" FROM "user" WHERE "id" = $1"#,
        r#"SELECT "id" FROM "user" WHERE "id" = 'a text' AND "name" = $1"#,
        r#"INSERT INTO "user" ("id") VALUES ($1)"#,
    ] {
        assert_eq!(fixed(&read(sql), &id()), None, "{sql}");
    }
}

#[test]
fn quotes_hide_what_is_in_them() {
    let sql = r#"SELECT 'it''s FROM "post" WHERE', "a""b" FROM "user" WHERE "id" = $1"#;
    assert_eq!(sources(&read(sql)), ["user"]);
    assert_eq!(fixed(&read(sql), &id()), Some(vec![vec![0]]));
    for sql in
        ["SELECT 1 -- FROM", "SELECT /* FROM */ 1", "SELECT $tag$FROM$tag$", "SELECT 'open", "SELECT \"open"]
    {
        assert_eq!(tokens(sql, DbBackend::Postgres), None, "{sql}");
    }
    let escaped = r"SELECT E'it\'s FROM post' FROM users";
    assert_eq!(sources(&read(escaped)), ["users"]);
    let mysql =
        tokens(r#"SELECT 'it\'s' FROM `user` WHERE "id" = ?"#, DbBackend::MySql).expect("it can be read");
    assert_eq!(sources(&mysql), ["user"]);
    assert_eq!(fixed(&mysql, &id()), None, "a text is no column there");
}

#[test]
fn sources_are_found_wherever_they_stand() {
    for (sql, tables) in [
        (
            r#"SELECT 1 FROM "a" AS "x", "s"."b" LEFT JOIN LATERAL (SELECT 1 FROM "c") AS "y" ON TRUE"#,
            "a b c",
        ),
        (r#"SELECT EXTRACT(YEAR FROM "at"), TRIM(BOTH FROM "name") FROM "a""#, "a"),
        (r#"SELECT "x" IS DISTINCT FROM "y", "x" IS NOT DISTINCT FROM "y" FROM "a""#, "a"),
        (r#"SELECT 1 FROM "a" ORDER BY (SELECT 1 FROM "b")"#, "a b"),
        (r#"DELETE FROM "a" WHERE "x" IN (SELECT "y" FROM "b")"#, "b"),
        (r#"UPDATE "a" SET "x" = (SELECT 1 FROM "b") FROM "c""#, "b c"),
        (r#"WITH "r" AS (SELECT 1 FROM "a") SELECT 1 FROM "r" JOIN "b" ON TRUE"#, "a b"),
        (r#"WITH "a" AS (SELECT 1 FROM "a") SELECT 1 FROM "a""#, "a"),
        (r#"WITH "r" AS (SELECT 1 FROM "s"."r") SELECT 1 FROM "r""#, "r"),
        (
            r#"WITH RECURSIVE "r" ("n") AS (SELECT 1 FROM "a" UNION ALL SELECT 1 FROM "r") SELECT 1 FROM "r""#,
            "a",
        ),
        (r#"SELECT 1 FROM (WITH "a" AS (SELECT 1) SELECT 1 FROM "a") AS "x", "a""#, "a"),
        (r#"SELECT 1 FROM generate_series(1, (SELECT 2 FROM "b")), "a""#, "a b"),
        (r#"SELECT 1 FROM (SELECT 1 FROM "a") AS "x", "b""#, "a b"),
        (r#"SELECT 1 FROM ("a" JOIN "b" USING ("id")), "c""#, "a b c"),
        (
            r#"SELECT 1 FROM "a" WHERE EXISTS (SELECT 1 FROM "b" WHERE ("x") IN ((SELECT 1 FROM "c")))"#,
            "a b c",
        ),
    ] {
        let mut found = sources(&read(sql));
        found.sort_unstable();
        assert_eq!(found.join(" "), tables, "{sql}");
    }
}

#[test]
fn inserted_keys_are_seen_or_made_by_the_database() {
    let keys = |sql: &str| inserted(&read(sql), &id());
    let two = r#"INSERT INTO "user" ("name", "id") VALUES ($1, $2), ($3, $4) RETURNING "id""#;
    assert_eq!(keys(two), Some(Inserted::Keys(vec![vec![1], vec![3]])));
    let cast = r#"INSERT INTO "user" ("kind", "id") VALUES (CAST($1 AS "kind"), $2)"#;
    assert_eq!(keys(cast), Some(Inserted::Keys(vec![vec![1]])));
    assert_eq!(keys(r#"INSERT INTO "user" ("name") VALUES ($1), ($2)"#), Some(Inserted::Generated(2)));
    for sql in [
        r#"INSERT INTO "user" ("id") VALUES ($1 + 1)"#,
        r#"INSERT INTO "user" ("id", "name") SELECT "id", "name" FROM "old""#,
        r#"INSERT INTO "user" ("id") VALUES ($1) ON CONFLICT ("name") DO UPDATE SET "name" = $2"#,
        r#"INSERT INTO "user" VALUES ($1)"#,
        r#"INSERT INTO "user" DEFAULT VALUES"#,
        r#"REPLACE INTO "user" ("id") VALUES ($1)"#,
    ] {
        assert_eq!(keys(sql), None, "{sql}");
    }
}

#[test]
fn columns_that_are_set_are_seen() {
    let set = |sql: &str| columns_set(&read(sql)).map(|columns| columns.join(" "));
    let plain = r#"UPDATE "user" SET "name" = $1, "since" = greatest("since", "id") WHERE "id" = $2"#;
    assert_eq!(set(plain).as_deref(), Some("name since"));
    assert_eq!(set(r#"UPDATE "user" SET ("a", "b") = ($1, $2)"#), None, "in parentheses");
    assert_eq!(set(r#"DELETE FROM "user""#), None);
}

#[test]
fn raw_sql_that_may_write_is_told_from_queries() {
    for sql in
        ["SELECT 1", "  select 1", "(SELECT 1)", "WITH a AS (SELECT 1) SELECT 1", "PRAGMA foreign_keys"]
    {
        assert!(!may_write(sql), "{sql}");
    }
    for sql in ["DELETE FROM a RETURNING b", "WITH a AS (DELETE FROM b RETURNING c) SELECT 1", "CALL x()", ""]
    {
        assert!(may_write(sql), "{sql}");
    }
}
