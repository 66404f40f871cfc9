//! What the text of a built statement says: which tables it reads, which rows it fixes, which columns it sets.
//!
//! Only of statements that a builder wrote, whose values are placeholders. The forms that are known here are few, and every
//! other text says nothing: then a statement reaches any row.

use sea_orm::DbBackend;

/// A piece of SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A quoted identifier, without its quotes.
    Name(String),
    /// A bare word, in capitals.
    Word(String),
    /// The value of this number among those that are bound.
    Mark(usize),
    /// A literal: a text, or a number.
    Literal,
    Sign(char),
}

/// The tokens of `sql`; nothing, if it cannot be read with certainty.
pub(crate) fn tokens(sql: &str, backend: DbBackend) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut marks = 0;
    let mut rest = sql.chars().peekable();
    while let Some(first) = rest.next() {
        let token = match first {
            _ if first.is_whitespace() => continue,
            // A text, in that one.
            '"' if backend == DbBackend::MySql => {
                quoted(first, &mut rest, true)?;
                Token::Literal
            }
            '"' | '`' => Token::Name(quoted(first, &mut rest, false)?),
            '\'' => {
                // `E'…'` has escapes in PostgreSQL, every text in MySQL.
                let escapes =
                    backend == DbBackend::MySql || tokens.last() == Some(&Token::Word("E".to_owned()));
                quoted(first, &mut rest, escapes)?;
                Token::Literal
            }
            '?' if backend != DbBackend::Postgres => {
                marks += 1;
                Token::Mark(marks - 1)
            }
            '$' => {
                let number = run(&mut rest, |next| next.is_ascii_digit());
                Token::Mark(number.parse::<usize>().ok()?.checked_sub(1)?)
            }
            _ if first.is_alphabetic() || first == '_' => {
                let tail = run(&mut rest, |next| next.is_alphanumeric() || next == '_');
                Token::Word(format!("{first}{tail}").to_uppercase())
            }
            _ if first.is_ascii_digit() => {
                run(&mut rest, |next| next.is_ascii_digit());
                Token::Literal
            }
            // Comments, and whatever a backslash may mean.
            '-' if rest.peek() == Some(&'-') => return None,
            '/' if rest.peek() == Some(&'*') => return None,
            '\\' | '#' => return None,
            sign => Token::Sign(sign),
        };
        tokens.push(token);
    }
    Some(tokens)
}

type Chars<'s> = std::iter::Peekable<std::str::Chars<'s>>;

/// What stands up to the closing quote.
fn quoted(quote: char, rest: &mut Chars<'_>, escapes: bool) -> Option<String> {
    let mut text = String::new();
    loop {
        match rest.next()? {
            '\\' if escapes => {
                rest.next()?;
            }
            next if next == quote => {
                if rest.peek() != Some(&quote) {
                    return Some(text);
                }
                rest.next();
                text.push(quote);
            }
            next => text.push(next),
        }
    }
}

fn run(rest: &mut Chars<'_>, goes_on: impl Fn(char) -> bool) -> String {
    std::iter::from_fn(|| rest.next_if(|next| goes_on(*next))).collect()
}

/// Whether raw SQL may be anything but a query, as far as that can be told.
pub(crate) fn may_write(sql: &str) -> bool {
    let mut words = sql
        .split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
        .filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default().to_uppercase();
    let writes = ["INSERT", "UPDATE", "DELETE", "MERGE"];
    match first.as_str() {
        "SELECT" | "VALUES" | "TABLE" | "SHOW" | "EXPLAIN" | "PRAGMA" => false,
        "WITH" => words.any(|word| writes.iter().any(|write| word.eq_ignore_ascii_case(write))),
        _ => true,
    }
}

fn is_word(token: Option<&Token>, word: &str) -> bool {
    matches!(token, Some(Token::Word(found)) if found == word)
}

fn count(tokens: &[Token], word: &str) -> usize {
    tokens.iter().filter(|token| is_word(Some(token), word)).count()
}

fn place(tokens: &[Token], word: &str) -> Option<usize> {
    tokens.iter().position(|token| is_word(Some(token), word))
}

/// The tables that stand where rows come from, wherever in the text that is. Names that the statement itself defines are
/// among them where they may be tables all the same.
pub(crate) fn sources(tokens: &[Token]) -> Vec<String> {
    let mut sources = Vec::new();
    scan(tokens, true, &mut sources);
    let defined = defined(tokens);
    sources.retain(|source| !defined.contains(source));
    sources
}

/// Looks for them in `tokens`, which are a query or part of an expression.
fn scan(tokens: &[Token], is_query: bool, sources: &mut Vec<String>) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            Token::Sign('(') => {
                let end = closing(tokens, at - 1);
                let inner = tokens.get(at..end).unwrap_or_default();
                scan(inner, begins_query(inner), sources);
                at = end + 1;
            }
            Token::Word(word) if word == "JOIN" => at = list(tokens, at, false, sources),
            Token::Word(word) if word == "FROM" && is_query => {
                let deletes = at >= 2 && is_word(tokens.get(at - 2), "DELETE");
                let compares = at >= 2 && is_word(tokens.get(at - 2), "DISTINCT") && is_compared(tokens, at);
                if !deletes && !compares {
                    at = list(tokens, at, true, sources);
                }
            }
            // Of a `DELETE`; what a join compares is in parentheses.
            Token::Word(word) if word == "USING" && tokens.get(at) != Some(&Token::Sign('(')) => {
                at = list(tokens, at, true, sources);
            }
            _ => {}
        }
    }
}

fn begins_query(tokens: &[Token]) -> bool {
    let first = tokens.first();
    first == Some(&Token::Sign('('))
        || ["SELECT", "WITH", "DELETE", "UPDATE", "INSERT"].iter().any(|word| is_word(first, word))
}

/// Whether the `FROM` before `at` belongs to `IS [NOT] DISTINCT FROM`.
fn is_compared(tokens: &[Token], at: usize) -> bool {
    let before = at.checked_sub(3).and_then(|at| tokens.get(at));
    is_word(before, "IS") || is_word(before, "NOT")
}

/// Reads the tables that are listed from `at` on; where they end.
fn list(tokens: &[Token], mut at: usize, several: bool, sources: &mut Vec<String>) -> usize {
    loop {
        while ["LATERAL", "ONLY"].iter().any(|word| is_word(tokens.get(at), word)) {
            at += 1;
        }
        let mut name = None;
        while let Some(Token::Name(part) | Token::Word(part)) = tokens.get(at) {
            // The last part is the name; a bare one is as good as the same in quotes, in small letters.
            name = Some(match tokens.get(at) {
                Some(Token::Word(_)) => part.to_lowercase(),
                _ => part.clone(),
            });
            at += 1;
            if tokens.get(at) != Some(&Token::Sign('.')) {
                break;
            }
            at += 1;
        }
        if tokens.get(at) == Some(&Token::Sign('(')) {
            // A query, a join, or what a function is called with.
            let end = closing(tokens, at);
            let inner = tokens.get(at + 1..end).unwrap_or_default();
            if name.is_none() && !begins_query(inner) {
                list(inner, 0, true, sources);
            }
            scan(inner, begins_query(inner), sources);
            at = end + 1;
        } else if let Some(name) = name {
            if !sources.contains(&name) {
                sources.push(name);
            }
        } else {
            return at;
        }
        if is_word(tokens.get(at), "AS") {
            at += 2;
        } else if matches!(tokens.get(at), Some(Token::Name(_)))
            // A bare alias: no keyword stands before a comma.
            || (matches!(tokens.get(at), Some(Token::Word(_))) && tokens.get(at + 1) == Some(&Token::Sign(',')))
        {
            at += 1;
        }
        if !several || tokens.get(at) != Some(&Token::Sign(',')) {
            return at;
        }
        at += 1;
    }
}

/// The names that the `WITH` at the beginning defines, if they stand for nothing else anywhere: each is used after it is
/// defined only, and no other `WITH` is there.
fn defined(tokens: &[Token]) -> Vec<String> {
    if !is_word(tokens.first(), "WITH") || count(tokens, "WITH") != 1 {
        return Vec::new();
    }
    let recursive = is_word(tokens.get(1), "RECURSIVE");
    let mut at = if recursive { 2 } else { 1 };
    let mut names: Vec<(String, usize)> = Vec::new();
    while let Some(Token::Name(name)) = tokens.get(at) {
        let start = at;
        at += 1;
        if tokens.get(at) == Some(&Token::Sign('(')) {
            at = closing(tokens, at) + 1;
        }
        while matches!(tokens.get(at), Some(Token::Word(_))) {
            at += 1;
        }
        if tokens.get(at) != Some(&Token::Sign('(')) {
            return Vec::new();
        }
        at = closing(tokens, at) + 1;
        // In its own text and before it, the name is that of a table, unless it is recursive.
        names.push((name.clone(), if recursive { start + 1 } else { at }));
        if tokens.get(at) != Some(&Token::Sign(',')) {
            break;
        }
        at += 1;
    }
    let is_free = |(name, from): &(String, usize)| {
        let before = tokens.get(..*from).unwrap_or_default();
        before.iter().filter(|token| matches!(token, Token::Name(found) if found == name)).count() <= 1
    };
    // Of a schema, it is a table.
    let is_plain = |(name, _): &(String, usize)| {
        !tokens.windows(2).any(|pair| pair[0] == Token::Sign('.') && pair[1] == Token::Name(name.clone()))
    };
    let is_its_own = |name: &&(String, usize)| is_plain(name) && (recursive || is_free(name));
    names.iter().filter(is_its_own).map(|(name, _)| name.clone()).collect()
}

/// Where the parenthesis at `open` ends.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// For each column of a key, the values that it can have: as the condition of the one table says that a statement is about.
pub(crate) type Fixed = Vec<Vec<usize>>;

/// The numbers of the values that the columns of `key` are bound to by a statement about one table.
///
/// Nothing, if the text is not of the plain form in which that is certain.
pub(crate) fn fixed(tokens: &[Token], key: &[String]) -> Option<Fixed> {
    let odd = ["UNION", "INTERSECT", "EXCEPT", "JOIN", "WITH", "USING", "HAVING", "OVER"];
    if odd.iter().any(|word| count(tokens, word) > 0) || key.is_empty() {
        return None;
    }
    let (selects, froms) = match tokens.first()? {
        Token::Word(word) if word == "SELECT" => (1, 1),
        Token::Word(word) if word == "DELETE" => (0, 1),
        Token::Word(word) if word == "UPDATE" => (0, 0),
        _ => return None,
    };
    if count(tokens, "SELECT") != selects || count(tokens, "FROM") != froms || count(tokens, "WHERE") != 1 {
        return None;
    }
    let condition = place(tokens, "WHERE")?;
    if froms == 1 {
        // One table and nothing else stands between them.
        let between = tokens.get(place(tokens, "FROM")? + 1..condition)?;
        let is_table = |(at, token): (usize, &Token)| match token {
            Token::Name(_) => at % 2 == 0,
            Token::Sign('.') => at % 2 == 1,
            _ => false,
        };
        if between.len() % 2 == 0 || !between.iter().enumerate().all(is_table) {
            return None;
        }
    }
    let terms = terms(tokens.get(condition + 1..)?)?;
    let bound =
        |column: &String| terms.iter().find(|(name, _)| name == column).map(|(_, marks)| marks.clone());
    key.iter().map(bound).collect()
}

/// The columns that a condition binds to values. Nothing, if it is anything but comparisons that must all hold.
fn terms(tokens: &[Token]) -> Option<Vec<(String, Vec<usize>)>> {
    let mut terms = Vec::new();
    let mut at = 0;
    loop {
        let Some(Token::Name(mut column)) = tokens.get(at).cloned() else { return None };
        at += 1;
        while tokens.get(at) == Some(&Token::Sign('.')) {
            let Some(Token::Name(part)) = tokens.get(at + 1) else { return None };
            column.clone_from(part);
            at += 2;
        }
        match tokens.get(at)? {
            Token::Sign('=') => {
                let Some(Token::Mark(mark)) = tokens.get(at + 1) else { return None };
                terms.push((column, vec![*mark]));
                at += 2;
            }
            Token::Word(word) if word == "IN" => {
                if tokens.get(at + 1) != Some(&Token::Sign('(')) {
                    return None;
                }
                let end = closing(tokens, at + 1);
                terms.push((column, marks(tokens.get(at + 2..end)?)?));
                at = end + 1;
            }
            Token::Sign('<' | '>') => {
                at += 1;
                while matches!(tokens.get(at), Some(Token::Sign('=' | '>'))) {
                    at += 1;
                }
                let Some(Token::Mark(_)) = tokens.get(at) else { return None };
                at += 1;
            }
            _ => return None,
        }
        match tokens.get(at) {
            None => return Some(terms),
            Some(Token::Word(word)) if word == "AND" => at += 1,
            // What comes after the condition: it only orders what is found, or says what to return.
            Some(Token::Word(word))
                if ["ORDER", "LIMIT", "GROUP", "FOR", "RETURNING"].contains(&word.as_str()) =>
            {
                return Some(terms);
            }
            Some(_) => return None,
        }
    }
}

/// `?, ?, ?`.
fn marks(tokens: &[Token]) -> Option<Vec<usize>> {
    let of = |(at, token): (usize, &Token)| match token {
        Token::Mark(mark) if at % 2 == 0 => Some(Some(*mark)),
        Token::Sign(',') if at % 2 == 1 => Some(None),
        _ => None,
    };
    let marks: Option<Vec<_>> = tokens.iter().enumerate().map(of).collect();
    Some(marks?.into_iter().flatten().collect())
}

/// The columns that an `UPDATE` sets; nothing, if that is not certain.
pub(crate) fn columns_set(tokens: &[Token]) -> Option<Vec<String>> {
    if !is_word(tokens.first(), "UPDATE") || count(tokens, "SET") != 1 {
        return None;
    }
    let start = place(tokens, "SET")? + 1;
    let mut columns = Vec::new();
    let (mut at, mut expects) = (start, true);
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Word(word)
                if ["WHERE", "FROM", "RETURNING", "ORDER", "LIMIT"].contains(&word.as_str()) =>
            {
                break;
            }
            Token::Sign('(') if !expects => at = closing(tokens, at),
            Token::Sign(',') => expects = true,
            Token::Name(name) if expects => {
                if tokens.get(at + 1) == Some(&Token::Sign('.')) {
                    at += 2;
                    continue;
                }
                columns.push(name.clone());
                expects = false;
            }
            _ if expects => return None,
            _ => {}
        }
        at += 1;
    }
    Some(columns)
}

/// What a plain `INSERT … VALUES` inserts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// For each row, the numbers of the values of its key.
    Keys(Vec<Vec<usize>>),
    /// So many rows, with keys that the database makes.
    Generated(usize),
}

/// The keys of the rows that an `INSERT` adds and that were not there; nothing, if that is not certain.
pub(crate) fn inserted(tokens: &[Token], key: &[String]) -> Option<Inserted> {
    let odd = ["SELECT", "WITH", "CONFLICT", "DUPLICATE", "REPLACE", "IGNORE", "DEFAULT"];
    if !is_word(tokens.first(), "INSERT") || odd.iter().any(|word| count(tokens, word) > 0) || key.is_empty()
    {
        return None;
    }
    let values = place(tokens, "VALUES")?;
    let open = tokens.get(..values)?.iter().position(|token| *token == Token::Sign('('))?;
    let columns: Vec<_> = tokens
        .get(open + 1..values.checked_sub(1)?)?
        .iter()
        .filter_map(|token| if let Token::Name(name) = token { Some(name) } else { None })
        .collect();
    let places: Option<Vec<usize>> =
        key.iter().map(|key| columns.iter().position(|column| *column == key)).collect();
    let mut rows = Vec::new();
    let mut at = values + 1;
    while tokens.get(at) == Some(&Token::Sign('(')) {
        let end = closing(tokens, at);
        rows.push(parts(tokens.get(at + 1..end)?));
        at = end + 1;
        if tokens.get(at) == Some(&Token::Sign(',')) {
            at += 1;
        }
    }
    if rows.is_empty() {
        return None;
    }
    let Some(places) = places else {
        return key.iter().all(|key| !columns.contains(&key)).then_some(Inserted::Generated(rows.len()));
    };
    let key_of = |row: &Vec<&[Token]>| -> Option<Vec<usize>> {
        places
            .iter()
            .map(|place| if let [Token::Mark(mark)] = row.get(*place)? { Some(*mark) } else { None })
            .collect()
    };
    rows.iter().map(key_of).collect::<Option<_>>().map(Inserted::Keys)
}

/// What stands between the commas.
fn parts(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            match token {
                Token::Sign('(') => depth += 1,
                Token::Sign(')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && *token == Token::Sign(',')
        })
        .collect()
}

/// The tables that a statement about tables is about.
pub(crate) fn tables_named(tokens: &[Token]) -> Vec<String> {
    let mut tables = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if let Token::Word(word) = token
            && ["TABLE", "EXISTS", "TO"].contains(&word.as_str())
            && matches!(tokens.get(at + 1), Some(Token::Name(_)))
        {
            list(tokens, at + 1, true, &mut tables);
        }
    }
    tables
}

#[cfg(test)]
mod tests;
