//! MQTT by hand, for those who do what no client does.

/// The answer to somebody who is let in.
pub(crate) const LET_IN: [u8; 4] = [0x20, 2, 0, 0];

/// A text after its length, as MQTT has it.
fn text(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

/// A packet's first byte and its length before it.
fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    let mut length = body.len();
    while length > 127 {
        bytes.push(u8::try_from(length % 128).unwrap() | 128);
        length /= 128;
    }
    bytes.push(u8::try_from(length).unwrap());
    [bytes.as_slice(), body].concat()
}

/// Says who comes, and begins anew.
pub(crate) fn connect_packet(who: &str, password: Option<&str>) -> Vec<u8> {
    let flags = if password.is_some() { 0b1100_0010 } else { 0b10 };
    let account = password.map(|password| [text(who), text(password)].concat()).unwrap_or_default();
    packet(0x10, &[text("MQTT").as_slice(), &[4, flags, 0, 30], &text(who), &account].concat())
}

/// Says so many bytes, to be acknowledged.
pub(crate) fn publish_packet(topic: &str, payload: usize) -> Vec<u8> {
    packet(0x32, &[text(topic).as_slice(), &[0, 1], &vec![7; payload]].concat())
}
