//! How one input becomes another.

use crate::random::Random;

/// Numbers at which decoders go wrong, as they stand in our formats: big-endian, little-endian and as postcard's varint.
const NUMBERS: [u64; 14] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x100,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];
/// At most this many changes are made to one input.
const MOST_CHANGES: usize = 5;
/// What a field element must not be: the modulus of BN254's scalar field.
const MODULUS: [u8; 32] = [
    0x30, 0x64, 0x4e, 0x72, 0xe1, 0x31, 0xa0, 0x29, 0xb8, 0x50, 0x45, 0xb6, 0x81, 0x81, 0x58, 0x5d, 0x28, 0x33, 0xe8, 0x48, 0x79,
    0xb9, 0x70, 0x91, 0x43, 0xe1, 0xf5, 0x93, 0xf0, 0x00, 0x00, 0x01,
];

/// Changes `input` once or a few times; `others` are inputs to take pieces from, `words` pieces that mean something to the target.
pub(crate) fn mutate(random: &mut Random, input: &mut Vec<u8>, others: &[Vec<u8>], words: &[Vec<u8>], longest: usize) {
    for _ in 0..=random.below(MOST_CHANGES) {
        change(random, input, others, words);
    }
    input.truncate(longest);
}

fn change(random: &mut Random, input: &mut Vec<u8>, others: &[Vec<u8>], words: &[Vec<u8>]) {
    let at = random.below(input.len());
    match random.below(14) {
        0 => flip(random, input, at),
        1 => set(random, input, at),
        2 => add(random, input, at),
        3 => overwrite(input, at, &number(random)),
        4 => insert(input, at, &number(random)),
        5 => insert(input, at, &varint(random)),
        6 => input.truncate(at),
        7 => remove(random, input, at),
        8 => repeat(random, input, at),
        9 => move_piece(random, input, at),
        10 => splice(random, input, others),
        11 => piece(random, input, at, others),
        12 => word(random, input, at, words),
        _ => digit(random, input),
    }
}

fn flip(random: &mut Random, input: &mut [u8], at: usize) {
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

fn set(random: &mut Random, input: &mut [u8], at: usize) {
    if let Some(byte) = input.get_mut(at) {
        *byte = random.byte();
    }
}

fn add(random: &mut Random, input: &mut [u8], at: usize) {
    let step = random.byte() % 16 + 1;
    if let Some(byte) = input.get_mut(at) {
        *byte = if step & 1 == 0 { byte.wrapping_add(step) } else { byte.wrapping_sub(step) };
    }
}

/// One of the numbers in one of its spellings and widths.
fn number(random: &mut Random) -> Vec<u8> {
    let number = *random.pick(&NUMBERS).unwrap_or(&0);
    match random.below(6) {
        0 => number.to_be_bytes()[4..].to_vec(),
        1 => number.to_le_bytes()[..4].to_vec(),
        2 => number.to_be_bytes().to_vec(),
        3 => number.to_le_bytes().to_vec(),
        4 => [[0; 24].as_slice(), &number.to_be_bytes()].concat(),
        _ => MODULUS.to_vec(),
    }
}

fn varint(random: &mut Random) -> Vec<u8> {
    let mut number = *random.pick(&NUMBERS).unwrap_or(&0);
    let mut bytes = Vec::new();
    loop {
        let low = number.to_le_bytes()[0] & 0x7f;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn overwrite(input: &mut [u8], at: usize, bytes: &[u8]) {
    for (place, byte) in input.iter_mut().skip(at).zip(bytes) {
        *place = *byte;
    }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let at = at.min(input.len());
    input.splice(at..at, bytes.iter().copied());
}

fn remove(random: &mut Random, input: &mut Vec<u8>, at: usize) {
    let end = at + length(random, input.len() - at);
    input.drain(at..end);
}

fn repeat(random: &mut Random, input: &mut Vec<u8>, at: usize) {
    let end = at + length(random, input.len() - at);
    let piece = input[at..end].to_vec();
    let times = 1 + random.below(3);
    insert(input, end, &piece.repeat(times));
}

fn move_piece(random: &mut Random, input: &mut Vec<u8>, at: usize) {
    let end = at + length(random, input.len() - at);
    let piece: Vec<u8> = input.drain(at..end).collect();
    let to = random.below(input.len() + 1);
    insert(input, to, &piece);
}

/// The beginning of this one and the end of another.
fn splice(random: &mut Random, input: &mut Vec<u8>, others: &[Vec<u8>]) {
    if let Some(other) = random.pick(others) {
        let cut = random.below(input.len() + 1);
        let from = if random.below(2) == 0 { cut.min(other.len()) } else { random.below(other.len() + 1) };
        input.truncate(cut);
        input.extend_from_slice(&other[from..]);
    }
}

fn piece(random: &mut Random, input: &mut Vec<u8>, at: usize, others: &[Vec<u8>]) {
    if let Some(other) = random.pick(others) {
        let from = random.below(other.len());
        let end = from + length(random, other.len() - from);
        if random.below(2) == 0 { insert(input, at, &other[from..end]) } else { overwrite(input, at, &other[from..end]) }
    }
}

fn word(random: &mut Random, input: &mut Vec<u8>, at: usize, words: &[Vec<u8>]) {
    if let Some(word) = random.pick(words) {
        if random.below(2) == 0 { insert(input, at, word) } else { overwrite(input, at, word) }
    }
}

/// Another decimal digit, sign or escape in a text.
fn digit(random: &mut Random, input: &mut [u8]) {
    let digits: Vec<usize> = (0..input.len()).filter(|at| input[*at].is_ascii_digit()).collect();
    if let (Some(at), Some(new)) = (random.pick(&digits), random.pick(b"0123456789-.e\"\\ [{")) {
        input[*at] = *new;
    }
}

/// Mostly short, sometimes everything.
fn length(random: &mut Random, most: usize) -> usize {
    match random.below(8) {
        0 => most,
        1..=3 => most.min(1 + random.below(4)),
        4 => most.min(32),
        _ => random.below(most + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_input_and_others_differ() {
        let start = vec![b"{\"a\":12}".to_vec(), vec![0; 64]];
        let mutant = |stream| {
            let mut input = start[0].clone();
            mutate(&mut Random::new(7, stream), &mut input, &start, &[b"word".to_vec()], 100);
            input
        };
        let all: Vec<Vec<u8>> = (0..1000).map(mutant).collect();
        assert_eq!(all, (0..1000).map(mutant).collect::<Vec<_>>());
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert!(distinct.len() > 500, "{} distinct inputs", distinct.len());
        assert!(all.iter().all(|input| input.len() <= 100));
    }

    #[test]
    fn an_empty_input_is_changed_too() {
        for stream in 0..1000 {
            mutate(&mut Random::new(1, stream), &mut Vec::new(), &[], &[], 10);
        }
    }
}
