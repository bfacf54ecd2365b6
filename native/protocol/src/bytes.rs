//! Messages of a fixed size, put together from their fields.

/// The parts one after the other. Their lengths add up to `N`: every caller's parts are of fixed size.
pub(crate) fn concat<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    debug_assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), N);
    let mut bytes = parts.iter().copied().flatten().copied();
    core::array::from_fn(|_| bytes.next().unwrap_or_default())
}
