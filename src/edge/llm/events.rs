//! The events of an event stream, cut from its bytes.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#interpreting-an-event-stream>,
//! with the data of an event that lies in one read borrowed from it.

use std::str::Utf8Error;

use memchr::memchr2;

/// What may stand before the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One event. Its id and the time to reconnect after are of no use here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamEvent<'a> {
    /// Its name is `error`.
    pub is_error: bool,
    /// Its data lines, joined; empty when it has none.
    pub data: &'a str,
}

/// Reads events from bytes that come in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct EventReader {
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// The data lines of the event so far, joined.
    data: Vec<u8>,
    has_data: bool,
    has_fields: bool,
    is_error: bool,
    /// The last line ended with a carriage return, which a line feed may complete.
    after_cr: bool,
    /// A line was read.
    begun: bool,
    /// The event was handed out, and is to be forgotten.
    handed_out: bool,
}

impl EventReader {
    /// The next event that is complete with `bytes`, which is cut down to what is behind it. With
    /// `None` all of `bytes` has been taken.
    ///
    /// # Errors
    /// When the data of the event is no UTF-8.
    pub fn next<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
    ) -> Option<Result<StreamEvent<'a>, Utf8Error>> {
        if std::mem::take(&mut self.handed_out) {
            self.forget();
        }
        while let Some((line, is_cr)) = self.line_end(bytes) {
            if let Some(data) = self.lone_data(line, is_cr, bytes) {
                *bytes = &bytes[1..];
                return Some(str::from_utf8(data).map(|data| StreamEvent { is_error: false, data }));
            }
            if self.take_line(line) {
                self.handed_out = true;
                let Self { data, is_error, .. } = self;
                return Some(str::from_utf8(data).map(|data| StreamEvent { is_error: *is_error, data }));
            }
        }
        None
    }

    /// Whether all that has come was whole events, and nothing of it is kept.
    pub fn is_between_events(&self) -> bool {
        self.begun && self.line.is_empty() && !self.after_cr && (self.handed_out || !self.has_fields)
    }

    /// The rest of the line, without its end, and whether a carriage return ended it. Where its end
    /// has not come, the line is kept.
    fn line_end<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<(&'a [u8], bool)> {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            *bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        let Some(end) = memchr2(b'\n', b'\r', bytes) else {
            self.line.extend_from_slice(bytes);
            *bytes = &[];
            return None;
        };
        let line = &bytes[..end];
        self.after_cr = bytes[end] == b'\r';
        *bytes = &bytes[end + 1..];
        Some((line, self.after_cr))
    }

    /// The data of an event that is nothing but this line: nearly every one.
    fn lone_data<'a>(&mut self, line: &'a [u8], is_cr: bool, behind: &[u8]) -> Option<&'a [u8]> {
        if is_cr || self.has_fields || !self.line.is_empty() || !behind.starts_with(b"\n") {
            return None;
        }
        let data = line.strip_prefix(b"data:")?;
        self.begun = true;
        Some(data.strip_prefix(b" ").unwrap_or(data))
    }

    /// Takes a line, of which `self.line` is the beginning. Whether it ends an event.
    fn take_line(&mut self, rest: &[u8]) -> bool {
        if self.line.is_empty() {
            return self.take_whole_line(rest);
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(rest);
        let ends = self.take_whole_line(&line);
        line.clear();
        self.line = line;
        ends
    }

    fn take_whole_line(&mut self, line: &[u8]) -> bool {
        let first = !std::mem::replace(&mut self.begun, true);
        let line = line.strip_prefix(BYTE_ORDER_MARK).filter(|_| first).unwrap_or(line);
        if line.is_empty() {
            return self.has_fields;
        }
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        self.field(name, value.strip_prefix(b" ").unwrap_or(value));
        false
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            b"event" => self.is_error = value == b"error",
            b"id" if !value.contains(&0) => {}
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {}
            _ => return,
        }
        self.has_fields = true;
    }

    fn forget(&mut self) {
        self.data.clear();
        self.has_data = false;
        self.has_fields = false;
        self.is_error = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<(bool, String)> {
        let (mut reader, mut events) = (EventReader::default(), Vec::new());
        for mut bytes in pieces.iter().copied() {
            while let Some(event) = reader.next(&mut bytes) {
                let event = event.expect("utf-8");
                events.push((event.is_error, event.data.to_owned()));
            }
            assert!(bytes.is_empty());
        }
        events
    }

    /// Bytes, and the events in them: whether each is an error, and its data.
    type Case = (&'static [u8], &'static [(bool, &'static str)]);

    #[test]
    fn fields_lines_and_comments() {
        let cases: &[Case] = &[
            (b"data: a\n\n", &[(false, "a")]),
            (b"data:a\ndata\ndata:  b\n\n", &[(false, "a\n\n b")]),
            (b"data: a\r\rdata: b\r\n\r\n\n\n", &[(false, "a"), (false, "b")]),
            (b"\xef\xbb\xbfevent: error\ndata: a\n\ndata: b\n\n", &[(true, "a"), (false, "b")]),
            (b"\n\xef\xbb\xbfdata: a\n\n", &[]),
            (b": data: a\n\nevent: ping\n\nid: 1\n\n", &[(false, ""), (false, "")]),
            (b"id: \0\n\nretry: soon\n\nother: x\n\nretry: 10\n\n", &[(false, "")]),
            (b"data: a\nevent: error\n\n", &[(true, "a")]),
            (b"event: error\nevent: message\ndata: a\n\n", &[(false, "a")]),
            (b"data: a\n", &[]),
        ];
        for (bytes, expected) in cases {
            let expected: Vec<_> =
                expected.iter().map(|(error, data)| (*error, (*data).to_owned())).collect();
            assert_eq!(read(&[bytes]), expected, "{}", String::from_utf8_lossy(bytes));
            for at in 0..bytes.len() {
                assert_eq!(read(&[&bytes[..at], &[], &bytes[at..]]), expected, "cut at {at}");
            }
            let one_by_one: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(read(&one_by_one), expected);
        }
    }

    #[test]
    fn what_is_no_utf_8_is_told_where_it_is_data() {
        let mut reader = EventReader::default();
        let mut bytes: &[u8] = b": \xff\n\ndata: \xff\n\ndata: a\n\n";
        assert!(reader.next(&mut bytes).is_some_and(|event| event.is_err()));
        assert!(reader.next(&mut bytes).is_some_and(|event| event.is_ok_and(|event| event.data == "a")));
    }
}
