//! As much of protobuf as two calls of etcd need.

/// A message that is being written.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// A field of bytes, or of a message.
    pub(super) fn bytes(mut self, field: u8, bytes: &[u8]) -> Self {
        self.0.push(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// A number.
    pub(super) fn number(mut self, field: u8, number: u64) -> Self {
        self.0.push(field << 3);
        self.varint(number);
        self
    }

    fn varint(&mut self, mut number: u64) {
        loop {
            let low = u8::try_from(number & 0x7f).unwrap_or(0);
            number >>= 7;
            if number == 0 {
                self.0.push(low);
                return;
            }
            self.0.push(low | 0x80);
        }
    }

    /// With the prefix of gRPC: not compressed, and its length.
    pub(super) fn framed(self) -> Vec<u8> {
        let mut frame = vec![0];
        frame.extend_from_slice(&u32::try_from(self.0.len()).unwrap_or(u32::MAX).to_be_bytes());
        frame.extend_from_slice(&self.0);
        frame
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The first number of a field, and the first bytes of one.
pub(super) fn number(message: &[u8], field: u64) -> Option<u64> {
    fields(message).into_iter().find_map(|(found, number, _)| (found == field).then_some(number))
}

pub(super) fn bytes(message: &[u8], field: u64) -> Option<&[u8]> {
    fields(message).into_iter().find_map(|(found, _, bytes)| bytes.filter(|_| found == field))
}

/// Every field as far as the message can be read: numbers and bytes; etcd's answers hold nothing else.
fn fields(mut message: &[u8]) -> Vec<(u64, u64, Option<&[u8]>)> {
    let mut fields = Vec::new();
    while let Some((tag, rest)) = varint(message) {
        let Some((number, rest)) = varint(rest) else { break };
        match tag & 7 {
            0 => {
                fields.push((tag >> 3, number, None));
                message = rest;
            }
            2 => {
                let Some((bytes, rest)) = usize::try_from(number).ok().and_then(|length| rest.split_at_checked(length)) else {
                    break;
                };
                fields.push((tag >> 3, number, Some(bytes)));
                message = rest;
            }
            _ => break,
        }
    }
    fields
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f).checked_shl(u32::try_from(at * 7).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let inner = Message::default().number(4, 300);
        let message = Message::default().bytes(1, b"key").number(2, 1).bytes(3, &inner.into_bytes()).into_bytes();
        assert_eq!(message[..7], *b"\x0a\x03key\x10\x01");
        assert_eq!(bytes(&message, 1), Some(&b"key"[..]));
        assert_eq!(number(&message, 2), Some(1));
        assert_eq!(bytes(&message, 3).and_then(|inner| number(inner, 4)), Some(300));
        assert_eq!(number(&message, 9), None);
        assert_eq!(number(&message[..3], 1), None, "cut off");
    }
}
