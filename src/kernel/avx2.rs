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
}

super::level::entries!(Avx2, "avx2,fma,popcnt", rows = 3);
