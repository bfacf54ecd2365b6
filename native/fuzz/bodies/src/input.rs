//! The bytes of an input, read from the front to the end, so that one can be written by hand. Behind
//! the end there are zeros, which no loop may wait for.

pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// So many bytes, or what is left.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        head
    }

    /// Behind a length of two bytes.
    pub fn sized(&mut self) -> &'a [u8] {
        let count = self.u16();
        self.bytes(count.into())
    }

    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let bytes = self.bytes(N);
        array[..bytes.len()].copy_from_slice(bytes);
        array
    }

    pub fn u8(&mut self) -> u8 {
        u8::from_be_bytes(self.array())
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    pub fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }

    /// One of so many, 256 at most.
    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.u8()) % count
    }

    /// A number that is mostly small: of four bytes behind a 255.
    pub fn number(&mut self) -> u32 {
        match self.u8() {
            255 => self.u32(),
            small => small.into(),
        }
    }

    /// Does to `bytes` what somebody on the way could; often nothing.
    pub fn edit(&mut self, bytes: &mut Vec<u8>) {
        let at = |input: &mut Self, bytes: &[u8]| usize::from(input.u16()) % bytes.len().max(1);
        match self.u8() {
            1 if !bytes.is_empty() => {
                let at = at(self, bytes);
                bytes[at] ^= self.u8();
            }
            2 => bytes.truncate(at(self, bytes)),
            3 => bytes.extend_from_slice(self.sized()),
            4 => *bytes = self.sized().to_vec(),
            5 => {
                let at = at(self, bytes);
                let new = self.sized();
                bytes.iter_mut().skip(at).zip(new).for_each(|(byte, new)| *byte = *new);
            }
            _ => {}
        }
    }
}
