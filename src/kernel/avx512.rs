//! AVX-512 (F, BW, VL): 512-bit registers, 32 of them; with VNNI, one instruction for four products of bytes; with
//! VPOPCNTDQ, one that counts bits.
//!
//! Every method needs these CPU features (and AVX2, FMA); see the safety contract of [`super::lanes`].

use super::avx2::{Avx2, NIBBLES};
use super::lanes::Lanes;
use std::arch::x86_64::*;

/// Whether the CPU has VNNI too decides only how bytes are multiplied, VPOPCNTDQ only how bits are counted.
pub(super) struct Avx512<const VNNI: bool, const POPCNT: bool>;

impl<const VNNI: bool, const POPCNT: bool> Lanes for Avx512<VNNI, POPCNT> {
    type F = __m512;
    type B = __m512i;
    type I = __m512i;
    const FLOATS: usize = 16;
    const BYTES: usize = 64;

    #[inline(always)]
    unsafe fn zero() -> __m512 {
        // SAFETY: the CPU has the features.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: the CPU has the features, and the caller has 16 floats there.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, n: usize) -> __m512 {
        // SAFETY: the CPU has the features; n is 1..=15, and masked lanes are not read.
        unsafe { _mm512_maskz_loadu_ps((1 << n) - 1, from) }
    }

    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the CPU has the features.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the CPU has the features.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, sum: __m512) -> __m512 {
        // SAFETY: the CPU has the features.
        unsafe { _mm512_fmadd_ps(a, b, sum) }
    }

    #[inline(always)]
    unsafe fn sum4([a, b, c, d]: [__m512; 4]) -> [f32; 4] {
        // SAFETY: the CPU has the features.
        unsafe { Avx2::sum4([half(a), half(b), half(c), half(d)]) }
    }

    #[inline(always)]
    unsafe fn zero_sums() -> __m512i {
        // SAFETY: the CPU has the features.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> __m512i {
        // SAFETY: the CPU has the features, and the caller has 64 bytes there.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn add_products(sums: __m512i, query: __m512i, code: __m512i) -> __m512i {
        // Two products are at most 2 * 127 * 127 = 32,258: the 16-bit sums of `maddubs` do not saturate.
        // SAFETY: the CPU has the features.
        unsafe {
            if VNNI {
                _mm512_dpbusd_epi32(sums, code, query)
            } else {
                let pairs = _mm512_maddubs_epi16(code, query);
                _mm512_add_epi32(sums, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
            }
        }
    }

    #[inline(always)]
    unsafe fn sum4_i32([a, b, c, d]: [__m512i; 4]) -> [i32; 4] {
        // SAFETY: the CPU has the features.
        unsafe { Avx2::sum4_i32([half_i32(a), half_i32(b), half_i32(c), half_i32(d)]) }
    }

    #[inline(always)]
    unsafe fn zero_bytes() -> __m512i {
        // SAFETY: the CPU has the features.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn xor(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the CPU has the features.
        unsafe { _mm512_xor_si512(a, b) }
    }

    #[inline(always)]
    unsafe fn last(a: __m512i, n: usize) -> __m512i {
        // SAFETY: the CPU has the features; n is 1..=63.
        unsafe { _mm512_maskz_mov_epi8(u64::MAX << (64 - n), a) }
    }

    #[inline(always)]
    unsafe fn count(counts: __m512i, bits: __m512i) -> __m512i {
        // SAFETY: the CPU has the features, and `NIBBLES` has 16 bytes.
        unsafe {
            if POPCNT {
                return _mm512_add_epi32(counts, _mm512_popcnt_epi32(bits));
            }
            let table = _mm512_broadcast_i32x4(_mm_loadu_si128(NIBBLES.as_ptr().cast()));
            let mask = _mm512_set1_epi8(15);
            let low = _mm512_shuffle_epi8(table, _mm512_and_si512(bits, mask));
            let high = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16::<4>(bits), mask));
            _mm512_add_epi8(counts, _mm512_add_epi8(low, high))
        }
    }

    #[inline(always)]
    unsafe fn add_counts(sums: __m512i, counts: __m512i) -> __m512i {
        // SAFETY: the CPU has the features.
        unsafe {
            let counts = if POPCNT { counts } else { _mm512_sad_epu8(counts, _mm512_setzero_si512()) };
            _mm512_add_epi32(sums, counts)
        }
    }

    #[inline(always)]
    unsafe fn add_wide_products(sums: __m512i, query: __m512i, code: __m512i) -> __m512i {
        // Two products are at most 2 * 255 * 64 = 32,640: nothing saturates here either.
        // SAFETY: the CPU has the features.
        unsafe { Self::add_products(sums, query, code) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        // SAFETY: the CPU has the features.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, from: __m512) {
        // SAFETY: the CPU has the features, and the caller has 16 places there.
        unsafe { _mm512_storeu_ps(to, from) }
    }

    #[inline(always)]
    unsafe fn keep_smaller(best: &mut __m512, at: &mut __m512, value: __m512, number: __m512) {
        // SAFETY: the CPU has the features.
        unsafe {
            let smaller = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(value, *best);
            *best = _mm512_mask_mov_ps(*best, smaller, value);
            *at = _mm512_mask_mov_ps(*at, smaller, number);
        }
    }

    #[inline(always)]
    unsafe fn sum_tables(tables: &[u8], codes: *const u8, stride: usize, out: &mut [u32; 32]) {
        // SAFETY: the CPU has AVX2 too, and the caller vouches for the rest.
        unsafe { Avx2::sum_tables(tables, codes, stride, out) }
    }
}

/// The upper lanes added to the lower ones.
#[inline(always)]
unsafe fn half(a: __m512) -> __m256 {
    // SAFETY: the CPU has the features.
    unsafe {
        let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(a)));
        _mm256_add_ps(_mm512_castps512_ps256(a), high)
    }
}

#[inline(always)]
unsafe fn half_i32(a: __m512i) -> __m256i {
    // SAFETY: the CPU has the features.
    unsafe { _mm256_add_epi32(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64::<1>(a)) }
}

/// Without VNNI.
pub(super) mod plain {
    super::super::level::entries!(
        super::Avx512<false, false>,
        "avx512f,avx512bw,avx512vl,popcnt",
        rows = 6
    );
}

/// With VNNI.
pub(super) mod vnni {
    super::super::level::entries!(
        super::Avx512<true, false>,
        "avx512f,avx512bw,avx512vl,avx512vnni,popcnt",
        rows = 6
    );
}

/// With VNNI and VPOPCNTDQ.
pub(super) mod popcnt {
    super::super::level::entries!(
        super::Avx512<true, true>,
        "avx512f,avx512bw,avx512vl,avx512vnni,avx512vpopcntdq,popcnt",
        rows = 6
    );
}
