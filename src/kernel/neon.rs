//! NEON, which every 64-bit ARM has: 128-bit registers, 32 of them.
//!
//! See the safety contract of [`super::lanes`].

use super::lanes::Lanes;
use std::arch::aarch64::*;

pub(super) struct Neon;

/// 16 clear bytes, then 16 set ones: a load at `n` is the mask of the last `n` bytes.
static LAST: [i8; 32] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1,
];

impl Lanes for Neon {
    type F = float32x4_t;
    type B = int8x16_t;
    type I = int32x4_t;
    const FLOATS: usize = 4;
    const BYTES: usize = 16;

    #[inline(always)]
    unsafe fn zero() -> float32x4_t {
        // SAFETY: the CPU has NEON.
        unsafe { vdupq_n_f32(0.0) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> float32x4_t {
        // SAFETY: the CPU has NEON, and the caller has four floats there.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, n: usize) -> float32x4_t {
        let mut part = [0f32; 4];
        // SAFETY: the CPU has NEON; the caller has `n` floats there, 1..=3.
        unsafe {
            std::ptr::copy_nonoverlapping(from, part.as_mut_ptr(), n);
            vld1q_f32(part.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the CPU has NEON.
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the CPU has NEON.
        unsafe { vsubq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: float32x4_t, b: float32x4_t, sum: float32x4_t) -> float32x4_t {
        // SAFETY: the CPU has NEON.
        unsafe { vfmaq_f32(sum, a, b) }
    }

    #[inline(always)]
    unsafe fn sum4([a, b, c, d]: [float32x4_t; 4]) -> [f32; 4] {
        let mut out = [0.0; 4];
        // SAFETY: the CPU has NEON, and `out` has four places.
        unsafe { vst1q_f32(out.as_mut_ptr(), vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d))) };
        out
    }

    #[inline(always)]
    unsafe fn zero_sums() -> int32x4_t {
        // SAFETY: the CPU has NEON.
        unsafe { vdupq_n_s32(0) }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> int8x16_t {
        // SAFETY: the CPU has NEON, and the caller has 16 bytes there.
        unsafe { vld1q_s8(from.cast()) }
    }

    #[inline(always)]
    unsafe fn add_products(sums: int32x4_t, query: int8x16_t, code: int8x16_t) -> int32x4_t {
        // Codes are at most 127, so they are signed bytes too, and two products (at most 2 * 127 * 127 = 32,258) fit
        // into 16 bits.
        // SAFETY: the CPU has NEON.
        unsafe {
            let low = vmull_s8(vget_low_s8(query), vget_low_s8(code));
            vpadalq_s16(sums, vmlal_high_s8(low, query, code))
        }
    }

    #[inline(always)]
    unsafe fn sum4_i32([a, b, c, d]: [int32x4_t; 4]) -> [i32; 4] {
        let mut out = [0; 4];
        // SAFETY: the CPU has NEON, and `out` has four places.
        unsafe { vst1q_s32(out.as_mut_ptr(), vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d))) };
        out
    }

    #[inline(always)]
    unsafe fn zero_bytes() -> int8x16_t {
        // SAFETY: the CPU has NEON.
        unsafe { vdupq_n_s8(0) }
    }

    #[inline(always)]
    unsafe fn xor(a: int8x16_t, b: int8x16_t) -> int8x16_t {
        // SAFETY: the CPU has NEON.
        unsafe { veorq_s8(a, b) }
    }

    #[inline(always)]
    unsafe fn last(a: int8x16_t, n: usize) -> int8x16_t {
        // SAFETY: the CPU has NEON; n is 1..=15, so that a load at `n` stays inside of `LAST`.
        unsafe { vandq_s8(a, vld1q_s8(LAST.as_ptr().add(n))) }
    }

    #[inline(always)]
    unsafe fn count(counts: int8x16_t, bits: int8x16_t) -> int8x16_t {
        // SAFETY: the CPU has NEON.
        unsafe { vaddq_s8(counts, vcntq_s8(bits)) }
    }

    #[inline(always)]
    unsafe fn add_counts(sums: int32x4_t, counts: int8x16_t) -> int32x4_t {
        // The counts are unsigned: up to 248.
        // SAFETY: the CPU has NEON.
        unsafe {
            let pairs = vpaddlq_u8(vreinterpretq_u8_s8(counts));
            vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(sums), pairs))
        }
    }

    #[inline(always)]
    unsafe fn add_wide_products(sums: int32x4_t, query: int8x16_t, code: int8x16_t) -> int32x4_t {
        // Codes above 127 are no signed bytes, so all are widened first.
        // SAFETY: the CPU has NEON.
        unsafe {
            let code = vreinterpretq_u8_s8(code);
            let low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(code)));
            let high = vreinterpretq_s16_u16(vmovl_high_u8(code));
            let (query_low, query_high) = (vmovl_s8(vget_low_s8(query)), vmovl_high_s8(query));
            // Products are at most 255 * 64, and two of them still fit into 16 bits.
            vpadalq_s16(sums, vmlaq_s16(vmulq_s16(low, query_low), high, query_high))
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> float32x4_t {
        // SAFETY: the CPU has NEON.
        unsafe { vdupq_n_f32(value) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, from: float32x4_t) {
        // SAFETY: the CPU has NEON, and the caller has four places there.
        unsafe { vst1q_f32(to, from) }
    }

    #[inline(always)]
    unsafe fn keep_smaller(
        best: &mut float32x4_t,
        at: &mut float32x4_t,
        value: float32x4_t,
        number: float32x4_t,
    ) {
        // SAFETY: the CPU has NEON.
        unsafe {
            let smaller = vcltq_f32(value, *best);
            *best = vbslq_f32(smaller, value, *best);
            *at = vbslq_f32(smaller, number, *at);
        }
    }

    #[inline(always)]
    unsafe fn sum_tables(tables: &[u8], codes: *const u8, stride: usize, out: &mut [u32; 32]) {
        // A lookup in 64 entries gives zero beyond them, so that four of them, each 64 further, find each code once.
        // SAFETY: the CPU has NEON; each table has 256 entries, and 32 bytes of codes start at each stride.
        unsafe {
            out.fill(0);
            for (i, table) in tables.chunks_exact(256).enumerate() {
                for (half, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
                    let mut code = vld1q_u8(codes.add(i * stride + 16 * half));
                    let mut found = vdupq_n_u8(0);
                    for quarter in 0..4 {
                        let entries = vld1q_u8_x4(table.as_ptr().add(64 * quarter));
                        found = vorrq_u8(found, vqtbl4q_u8(entries, code));
                        code = vsubq_u8(code, vdupq_n_u8(64));
                    }
                    let mut bytes = [0u8; 16];
                    vst1q_u8(bytes.as_mut_ptr(), found);
                    for (out, byte) in out.iter_mut().zip(bytes) {
                        *out += u32::from(byte);
                    }
                }
            }
        }
    }
}

super::level::entries!(Neon, "neon", rows = 5);
