//! The commands in what a client of Redis sends: their names, counted. The rest of them is passed over.

use std::collections::BTreeMap;

/// What one connection has sent and is not a whole command yet.
#[derive(Debug, Default)]
pub struct Commands {
    rest: Vec<u8>,
}

impl Commands {
    /// Takes in the next piece, and counts the commands that end in it.
    pub fn count(&mut self, piece: &[u8], counts: &mut BTreeMap<String, u64>) {
        self.rest.extend_from_slice(piece);
        while let Some((name, length)) = first(&self.rest) {
            *counts.entry(name).or_default() += 1;
            self.rest.drain(..length);
        }
    }
}

/// The name of the first command, if all of it is there, and how long it is.
fn first(bytes: &[u8]) -> Option<(String, usize)> {
    let mut at = 0;
    let count = number(bytes, b'*', &mut at)?;
    let mut name = None;
    for _ in 0..count {
        let length = number(bytes, b'$', &mut at)?;
        let word = bytes.get(at..at + length)?;
        name.get_or_insert_with(|| String::from_utf8_lossy(word).to_uppercase());
        at += length + 2;
        bytes.get(at - 1)?;
    }
    Some((name?, at))
}

fn number(bytes: &[u8], mark: u8, at: &mut usize) -> Option<usize> {
    let line = bytes.get(*at..)?.strip_prefix(&[mark])?;
    let end = line.iter().position(|byte| *byte == b'\r')?;
    *at += 1 + end + 2;
    std::str::from_utf8(&line[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_counted_however_they_are_cut_up() {
        let sent =
            b"*2\r\n$3\r\nget\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n$0\r\n\r\n";
        for size in 1..sent.len() {
            let (mut commands, mut counts) = (Commands::default(), BTreeMap::new());
            for piece in sent.chunks(size) {
                commands.count(piece, &mut counts);
            }
            assert_eq!(counts, BTreeMap::from([("GET".to_owned(), 2), ("PING".to_owned(), 1)]), "{size}");
        }
    }
}
