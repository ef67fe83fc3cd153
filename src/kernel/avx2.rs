//! AVX2, FMA and POPCNT: 256-bit registers, sixteen of them.
//!
//! Every method needs the CPU features `avx2` and `fma`; see the safety contract of [`super::lanes`].

use super::lanes::Lanes;
use std::arch::x86_64::*;

pub(super) struct Avx2;

/// Eight set lanes, then eight clear ones: a load at `8 - n` is the mask of the first `n` lanes.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// 32 clear bytes, then 32 set ones: a load at `n` is the mask of the last `n` bytes.
static LAST: [u8; 64] = {
    let mut bytes = [0; 64];
    let mut i = 32;
    while i < 64 {
        bytes[i] = 255;
        i += 1;
    }
    bytes
};

/// The set bits of each four.
pub(super) static NIBBLES: [u8; 16] = [0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4];

impl Lanes for Avx2 {
    type F = __m256;
    type B = __m256i;
    type I = __m256i;
    const FLOATS: usize = 8;
    const BYTES: usize = 32;

    #[inline(always)]
    unsafe fn zero() -> __m256 {
        // SAFETY: the CPU has the features.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        // SAFETY: the CPU has the features, and the caller has eight floats there.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, n: usize) -> __m256 {
        // SAFETY: the CPU has the features; n is 1..=7, and masked lanes are not read.
        unsafe { _mm256_maskload_ps(from, _mm256_loadu_si256(MASKS.as_ptr().add(8 - n).cast())) }
    }

    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the CPU has the features.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the CPU has the features.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, sum: __m256) -> __m256 {
        // SAFETY: the CPU has the features.
        unsafe { _mm256_fmadd_ps(a, b, sum) }
    }

    #[inline(always)]
    unsafe fn sum4([a, b, c, d]: [__m256; 4]) -> [f32; 4] {
        let mut out = [0.0; 4];
        // SAFETY: the CPU has the features, and `out` has four places.
        unsafe {
            let halves = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
            let sums = _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves));
            _mm_storeu_ps(out.as_mut_ptr(), sums);
        }
        out
    }

    #[inline(always)]
    unsafe fn zero_sums() -> __m256i {
        // SAFETY: the CPU has the features.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> __m256i {
        // SAFETY: the CPU has the features, and the caller has 32 bytes there.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn add_products(sums: __m256i, query: __m256i, code: __m256i) -> __m256i {
        // Two products are at most 2 * 127 * 127 = 32,258: the 16-bit sums of `maddubs` do not saturate.
        // SAFETY: the CPU has the features.
        unsafe {
            let pairs = _mm256_maddubs_epi16(code, query);
            _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }

    #[inline(always)]
    unsafe fn sum4_i32([a, b, c, d]: [__m256i; 4]) -> [i32; 4] {
        let mut out = [0; 4];
        // SAFETY: the CPU has the features, and `out` has four places.
        unsafe {
            let halves = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
            let sums = _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves));
            _mm_storeu_si128(out.as_mut_ptr().cast(), sums);
        }
        out
    }

    #[inline(always)]
    unsafe fn zero_bytes() -> __m256i {
        // SAFETY: the CPU has the features.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn xor(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the CPU has the features.
        unsafe { _mm256_xor_si256(a, b) }
    }

    #[inline(always)]
    unsafe fn last(a: __m256i, n: usize) -> __m256i {
        // SAFETY: the CPU has the features; n is 1..=31.
        unsafe { _mm256_and_si256(a, _mm256_loadu_si256(LAST.as_ptr().add(n).cast())) }
    }

    /// Looks up each half byte (Mula, Kurz & Lemire 2018, "Faster population counts using AVX2 instructions"). Their
    /// carry-save adders (Harley-Seal) need sixteen registers' worth of a row to pay; rows are rarely that long.
    #[inline(always)]
    unsafe fn count(counts: __m256i, bits: __m256i) -> __m256i {
        // SAFETY: the CPU has the features, and `NIBBLES` has 16 bytes.
        unsafe {
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(NIBBLES.as_ptr().cast()));
            let mask = _mm256_set1_epi8(15);
            let low = _mm256_shuffle_epi8(table, _mm256_and_si256(bits, mask));
            let high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16::<4>(bits), mask));
            _mm256_add_epi8(counts, _mm256_add_epi8(low, high))
        }
    }

    #[inline(always)]
    unsafe fn add_counts(sums: __m256i, counts: __m256i) -> __m256i {
        // SAFETY: the CPU has the features.
        unsafe { _mm256_add_epi32(sums, _mm256_sad_epu8(counts, _mm256_setzero_si256())) }
    }

    /// The upper half of each 64-bit lane is clear: two sums fit into one register.
    #[inline(always)]
    unsafe fn sum4_counts([a, b, c, d]: [__m256i; 4]) -> [i32; 4] {
        let mut out = [0; 4];
        // SAFETY: the CPU has the features, and `out` has four places.
        unsafe {
            let ab = _mm256_or_si256(a, _mm256_slli_epi64::<32>(b));
            let cd = _mm256_or_si256(c, _mm256_slli_epi64::<32>(d));
            let both = _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
            let sums = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256::<1>(both));
            _mm_storeu_si128(out.as_mut_ptr().cast(), sums);
        }
        out
    }

    #[inline(always)]
    unsafe fn add_wide_products(sums: __m256i, query: __m256i, code: __m256i) -> __m256i {
        // Two products are at most 2 * 255 * 64 = 32,640: nothing saturates here either.
        // SAFETY: the CPU has the features.
        unsafe { Self::add_products(sums, query, code) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        // SAFETY: the CPU has the features.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, from: __m256) {
        // SAFETY: the CPU has the features, and the caller has eight places there.
        unsafe { _mm256_storeu_ps(to, from) }
    }

    #[inline(always)]
    unsafe fn keep_smaller(best: &mut __m256, at: &mut __m256, value: __m256, number: __m256) {
        // SAFETY: the CPU has the features.
        unsafe {
            let smaller = _mm256_cmp_ps::<_CMP_LT_OQ>(value, *best);
            *best = _mm256_blendv_ps(*best, value, smaller);
            *at = _mm256_blendv_ps(*at, number, smaller);
        }
    }

    #[inline(always)]
    unsafe fn sum_tables(tables: &[u8], codes: *const u8, stride: usize, out: &mut [u32; 32]) {
        // A byte shuffle looks 32 codes up in 16 entries, and gives zero where the index has its highest bit: of a
        // pair of shuffles bit 4 lets one through, and bits 5 to 7 choose among the eight pairs.
        // SAFETY: the CPU has the features; each table has 256 entries, and 32 bytes of codes start at each stride.
        unsafe {
            let (nibble, high) = (_mm256_set1_epi8(0x0f), _mm256_set1_epi8(-128));
            let zero = _mm256_setzero_si256();
            out.fill(0);
            for (group, tables) in tables.chunks(256 * 256).enumerate() {
                // 256 bytes fit into 16 bits.
                let (mut even, mut odd) = (zero, zero);
                for (i, table) in tables.chunks_exact(256).enumerate() {
                    let code = _mm256_loadu_si256(codes.add((256 * group + i) * stride).cast());
                    let bit4 = _mm256_and_si256(_mm256_slli_epi16::<3>(code), high);
                    let first = _mm256_or_si256(_mm256_and_si256(code, nibble), bit4);
                    let second = _mm256_xor_si256(first, high);
                    let bit5 = _mm256_slli_epi16::<2>(code);
                    let bit6 = _mm256_slli_epi16::<1>(code);
                    let from = table.as_ptr();
                    let low = four_pairs(from, 0, first, second, bit5, bit6);
                    let high = four_pairs(from, 4, first, second, bit5, bit6);
                    let found = _mm256_blendv_epi8(low, high, code);
                    even = _mm256_add_epi16(even, _mm256_and_si256(found, _mm256_set1_epi16(0xff)));
                    odd = _mm256_add_epi16(odd, _mm256_srli_epi16::<8>(found));
                }
                let (mut evens, mut odds) = ([0u16; 16], [0u16; 16]);
                _mm256_storeu_si256(evens.as_mut_ptr().cast(), even);
                _mm256_storeu_si256(odds.as_mut_ptr().cast(), odd);
                for ((out, even), odd) in out.as_chunks_mut::<2>().0.iter_mut().zip(evens).zip(odds) {
                    out[0] += u32::from(even);
                    out[1] += u32::from(odd);
                }
            }
        }
    }
}

/// Looks codes up in the 32 entries from `32 * number` on: those whose bit 4 is clear by the indexes `first`, the others by
/// `second`. A function and not a closure, which would not be inlined for sure, and without the CPU's features if not.
#[inline(always)]
unsafe fn pair(table: *const u8, number: usize, first: __m256i, second: __m256i) -> __m256i {
    // SAFETY: the CPU has the features, and the caller has so many entries there.
    unsafe {
        let from = table.add(32 * number).cast();
        let low = _mm256_broadcastsi128_si256(_mm_loadu_si128(from));
        let high = _mm256_broadcastsi128_si256(_mm_loadu_si128(from.add(1)));
        _mm256_or_si256(_mm256_shuffle_epi8(low, first), _mm256_shuffle_epi8(high, second))
    }
}

/// Looks codes up in four [`pair`]s from the one of `number` on: bit 5 of a code, the highest of each byte of `bit5`, and bit
/// 6 choose among them.
#[inline(always)]
unsafe fn four_pairs(
    table: *const u8,
    number: usize,
    first: __m256i,
    second: __m256i,
    bit5: __m256i,
    bit6: __m256i,
) -> __m256i {
    // SAFETY: the CPU has the features, and the caller has four times 32 entries there.
    unsafe {
        let lower = _mm256_blendv_epi8(
            pair(table, number, first, second),
            pair(table, number + 1, first, second),
            bit5,
        );
        let upper = _mm256_blendv_epi8(
            pair(table, number + 2, first, second),
            pair(table, number + 3, first, second),
            bit5,
        );
        _mm256_blendv_epi8(lower, upper, bit6)
    }
}

super::level::entries!(Avx2, "avx2,fma,popcnt", rows = 3);
