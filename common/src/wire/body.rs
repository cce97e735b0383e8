//! The body of a batch: its events one after the other, compressed when that helps.

use super::{BODY_BYTES_MAX, WireError};

/// Bodies up to this many bytes are sent as they are: compression would make them larger.
const RAW_BYTES_MAX: usize = 200;
/// Compression level: 3 is zstd's default, and higher ones gain little on small bodies.
const LEVEL: i32 = 3;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Raw,
    Zstd,
}

impl Packing {
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::Zstd => 1,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        [Self::Raw, Self::Zstd].into_iter().find(|packing| packing.number() == number)
    }
}

/// Packs events into a body.
pub(crate) fn pack(events: &[Vec<u8>]) -> Result<(Packing, Vec<u8>), WireError> {
    let mut raw = Vec::new();
    let mut encoder = minicbor::Encoder::new(&mut raw);
    for event in events {
        encoder.bytes(event).map_err(|error| WireError::malformed("batch body", error))?;
    }
    if raw.len() > BODY_BYTES_MAX {
        return Err(WireError::TooLarge { what: "batch body", bytes: raw.len(), limit: BODY_BYTES_MAX });
    }
    if raw.len() <= RAW_BYTES_MAX {
        return Ok((Packing::Raw, raw));
    }
    let packed = zstd::bulk::compress(&raw, LEVEL).map_err(|error| WireError::malformed("batch body", error))?;
    if packed.len() < raw.len() { Ok((Packing::Zstd, packed)) } else { Ok((Packing::Raw, raw)) }
}

/// Takes a body apart; never makes more than [`BODY_BYTES_MAX`] bytes of it.
pub(crate) fn unpack(packing: u8, body: &[u8]) -> Result<Vec<Vec<u8>>, WireError> {
    let refused = |reason: &str| WireError::malformed("batch body", reason);
    let raw = match Packing::from_number(packing) {
        Some(Packing::Raw) if body.len() <= BODY_BYTES_MAX => body.to_vec(),
        Some(Packing::Raw) => {
            return Err(WireError::TooLarge { what: "batch body", bytes: body.len(), limit: BODY_BYTES_MAX });
        }
        Some(Packing::Zstd) => {
            zstd::bulk::decompress(body, BODY_BYTES_MAX).map_err(|error| refused(&error.to_string()))?
        }
        None => return Err(refused("unknown packing")),
    };
    let mut decoder = minicbor::Decoder::new(&raw);
    let mut events = Vec::new();
    while decoder.position() < raw.len() {
        events.push(decoder.bytes().map_err(|error| refused(&error.to_string()))?.to_vec());
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bodies_round_trip(events in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..60)) {
            let (packing, body) = pack(&events).unwrap();
            prop_assert_eq!(unpack(packing.number(), &body).unwrap(), events);
        }

        #[test]
        fn nonsense_never_panics(packing in 0_u8..4, body in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(events) = unpack(packing, &body) {
                prop_assert!(events.iter().map(Vec::len).sum::<usize>() <= BODY_BYTES_MAX);
            }
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = zstd::bulk::compress(&vec![0_u8; BODY_BYTES_MAX * 100], LEVEL).unwrap();
        assert!(bomb.len() < 2_000);
        assert!(unpack(Packing::Zstd.number(), &bomb).is_err());
    }

    #[test]
    fn a_body_beyond_the_limit_is_not_packed() {
        let events = vec![vec![0_u8; 10_000]; 7];
        assert!(matches!(pack(&events), Err(WireError::TooLarge { .. })));
    }
}
