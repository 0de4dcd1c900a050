//! Standard input, for a command somewhere else.

use std::io;

use sbx::client::CommandControl;
use tokio::io::AsyncReadExt as _;

/// How much is read at once.
const PIECE: usize = 16 * 1024;
/// What a terminal's user types to end the input.
const END_OF_TRANSMISSION: &str = "\u{4}";

/// Passes standard input on until it ends, and then says so.
///
/// # Errors
///
/// An error in reading it, or input that is no text: the API carries nothing else.
pub(super) async fn feed(control: CommandControl, is_tty: bool) -> io::Result<()> {
    let mut input = tokio::io::stdin();
    let mut pending = Vec::new();
    let mut buffer = vec![0; PIECE];
    loop {
        let n = input.read(&mut buffer).await?;
        if n == 0 {
            break;
        }
        pending.extend_from_slice(&buffer[..n]);
        let text = take_text(&mut pending)?;
        if !text.is_empty() && control.send_input(text).await.is_err() {
            // The connection is lost, which shows where the output is read; what was sent cannot be taken back.
            return Err(io::Error::other("the connection was lost while input was under way"));
        }
    }
    if !pending.is_empty() {
        return Err(not_text());
    }
    // Errors show where the output is read.
    let _ = if is_tty { control.send_input(END_OF_TRANSMISSION).await } else { control.close_input().await };
    Ok(())
}

/// Takes all whole characters off the front.
fn take_text(pending: &mut Vec<u8>) -> io::Result<String> {
    let whole = match std::str::from_utf8(pending) {
        Ok(text) => text.len(),
        Err(error) if error.error_len().is_some() => return Err(not_text()),
        Err(error) => error.valid_up_to(),
    };
    let rest = pending.split_off(whole);
    String::from_utf8(std::mem::replace(pending, rest)).map_err(|_| not_text())
}

fn not_text() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "it is not UTF-8, and commands take nothing else; `sbx cp` copies any file",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_is_cut_waits_for_its_end() {
        let mut pending = "aé".as_bytes()[..2].to_vec();
        assert_eq!(take_text(&mut pending).expect("so far it is text"), "a");
        pending.push(0xa9);
        assert_eq!(take_text(&mut pending).expect("it is text"), "é");
        assert!(pending.is_empty());
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert!(take_text(&mut vec![b'a', 0xff]).is_err());
    }
}
