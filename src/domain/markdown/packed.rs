//! Glyphs that are not worked with, in a sixth of their room: a chat keeps those of its last send,
//! should it be taken back, until the next.

use super::glyph::{Glyph, STOP_BITS, Stop};

/// Glyphs one after the other, each as two numbers or three: its character; how far its end lies behind
/// that of the one before, its stop, and whether it looks like that one; else its look. Mostly these
/// are a byte each.
#[derive(Debug, Default)]
pub(super) struct Packed {
    bytes: Vec<u8>,
    /// Where the last one ends in the source.
    end: usize,
    /// How it looks.
    look: u32,
}

/// Bits of a number in one byte; the highest bit says that more follow (LEB128).
const BITS: u32 = 7;

impl Packed {
    /// Packs `glyphs`.
    pub fn new(glyphs: &[Glyph]) -> Self {
        let mut packed = Self { bytes: Vec::with_capacity(2 * glyphs.len()), end: 0, look: 0 };
        glyphs.iter().for_each(|glyph| packed.push(*glyph));
        packed.bytes.shrink_to_fit();
        packed
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds one; none ends before the one before it.
    pub fn push(&mut self, glyph: Glyph) {
        let step = glyph.end().saturating_sub(self.end) as u64;
        let looks_other = glyph.look != self.look;
        self.number(u64::from(u32::from(glyph.ch)));
        self.number(step << (1 + STOP_BITS) | (glyph.stop() as u64) << 1 | u64::from(looks_other));
        if looks_other {
            self.number(u64::from(glyph.look));
        }
        (self.end, self.look) = (glyph.end(), glyph.look);
    }

    fn number(&mut self, mut number: u64) {
        while number >> BITS > 0 {
            self.bytes.push(number as u8 | 1 << BITS);
            number >>= BITS;
        }
        self.bytes.push(number as u8);
    }

    /// The glyphs, as they were.
    pub fn unpack(&self) -> Vec<Glyph> {
        let mut bytes = self.bytes.iter().copied();
        let (mut end, mut look) = (0, 0);
        std::iter::from_fn(|| {
            let ch = char::from_u32(u32::try_from(number(&mut bytes)?).ok()?)?;
            let step = number(&mut bytes)?;
            end += usize::try_from(step >> (1 + STOP_BITS)).ok()?;
            if step & 1 == 1 {
                look = u32::try_from(number(&mut bytes)?).ok()?;
            }
            let stop = Stop::from_bits((step >> 1) as u32);
            Some(Glyph::new(ch, end, look, stop))
        })
        .collect()
    }
}

fn number(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut number = 0;
    for place in 0.. {
        let byte = bytes.next()?;
        number |= u64::from(byte & !(1 << BITS)) << (place * BITS);
        if byte >> BITS == 0 {
            break;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_out_again(
            told in prop::collection::vec((any::<char>(), 0usize..300, prop_oneof![0u32..2, 0u32..400], 0u32..4), 0..50),
            start in 0usize..1 << 29,
        ) {
            let mut end = start;
            let glyphs: Vec<_> = told.into_iter().map(|(ch, step, look, stop)| {
                end += step;
                Glyph::new(ch, end, look, Stop::from_bits(stop))
            }).collect();
            prop_assert_eq!(Packed::new(&glyphs).unpack(), glyphs);
        }
    }

    #[test]
    fn plain_text_takes_two_bytes_a_character() {
        let glyphs: Vec<_> = (1..=100).map(|end| Glyph::new('x', end, 0, Stop::Inside)).collect();
        assert_eq!(Packed::new(&glyphs).bytes.len(), 200);
    }
}
