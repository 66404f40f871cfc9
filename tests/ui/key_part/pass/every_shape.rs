#![deny(warnings)]

use larder::{Key, KeyPart};

#[derive(KeyPart)]
struct Id(u64);

#[derive(KeyPart)]
struct Pair(u64, String);

#[derive(KeyPart)]
struct Named {
    id: u64,
    r#type: &'static str,
}

#[derive(KeyPart)]
struct Single {
    id: u64,
}

#[derive(KeyPart)]
struct Unit;

#[derive(KeyPart)]
struct Empty {}

#[derive(KeyPart)]
enum Shape {
    Point,
    Circle(u64),
    Square { side: u64, name: Option<String> },
}

#[derive(KeyPart)]
enum Never {}

#[derive(KeyPart)]
struct Generic<'a, T, const N: usize>
where
    T: ?Sized,
{
    values: [u8; N],
    inner: &'a T,
}

fn text(part: &dyn KeyPart) -> String {
    Key::build(|key| part.write(key)).to_string()
}

fn main() {
    assert_eq!(text(&Id(1)), "1");
    assert_eq!(text(&Pair(1, "a".into())), "(1)(a)");
    assert_eq!(text(&Named { id: 1, r#type: "b" }), "(1)(b)");
    assert_eq!(text(&Single { id: 1 }), "(1)");
    assert_eq!(text(&Unit), text(&()));
    assert_eq!(text(&Empty {}), text(&()));
    assert_eq!(text(&Shape::Point), "Point");
    assert_eq!(text(&Shape::Circle(1)), "Circle(1)");
    assert_eq!(text(&Shape::Square { side: 1, name: None }), "Square(1)(<none>)");
    assert_eq!(text(&Generic { values: [1, 2], inner: "x" }), "([1][2])(x)");
    let _ = |never: Never| text(&never);
}
