//! Which instructions the kernels use: found out once, lowered by `ELANUS_SIMD`.
//!
//! The library is built for the baseline of its architecture. Everything above it lives in functions with
//! `#[target_feature]`, and they are reachable only through a table that [`Level::kernels`] hands out after it has
//! asked the CPU.

use std::sync::OnceLock;

/// The instruction sets that kernels exist for, slowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What the architecture guarantees.
    Scalar,
    /// 64-bit ARM.
    Neon,
    /// x86-64 with AVX2, FMA and POPCNT.
    Avx2,
    /// x86-64 with AVX-512 F, BW and VL.
    Avx512,
    /// The same with VNNI.
    Avx512Vnni,
    /// The same with VPOPCNTDQ, which counts bits.
    Avx512Popcnt,
}

/// A query, the codes, which of them, and their inner products.
type Gather = unsafe fn(&[i8], &[u8], &[u32], &mut [i32]);

/// A query of bits, the rows, which of them, and in how many bits they differ.
type GatherBytes = unsafe fn(&[i8], &[u8], usize, &[u32], &mut [i32]);
type GatherBits = unsafe fn(&[u8], &[u8], &[u32], &mut [i32]);

/// Points, their stride, columns, half of the columns' squared norms, and the nearest of these.
type NearestColumns = unsafe fn(&[f32], usize, &[f32], &[f32], &mut [u32]);

/// One level's kernels. The functions have the contracts of their namesakes in `kernel`, do not check them, and need
/// the level's CPU features.
pub(super) struct Kernels {
    pub l2: unsafe fn(&[f32], &[f32]) -> f32,
    pub dot: unsafe fn(&[f32], &[f32]) -> f32,
    pub dot_norm: unsafe fn(&[f32], &[f32]) -> (f32, f32),
    pub l2_rows: unsafe fn(&[f32], &[f32], &mut [f32]),
    pub dot_rows: unsafe fn(&[f32], &[f32], &mut [f32]),
    pub dot_block: unsafe fn(&[f32], &[f32], usize, &mut [f32]),
    pub dot_code: unsafe fn(&[i8], &[u8]) -> i32,
    pub dot_code_rows: unsafe fn(&[i8], &[u8], &mut [i32]),
    pub dot_code_gather: Gather,
    pub dot_code_block: unsafe fn(&[i8], &[u8], usize, &mut [i32]),
    pub dot_byte_block: unsafe fn(&[i8], usize, &[u8], usize, &mut [i32]),
    pub dot_byte_gather: GatherBytes,
    pub combine_columns: unsafe fn(&[f32], &[f32], &mut [f32]),
    pub nearest_columns: NearestColumns,
    pub sum_tables: unsafe fn(&[u8], &[u8], usize, &mut [u32; 32]),
    pub hamming: unsafe fn(&[u8], &[u8]) -> i32,
    pub hamming_rows: unsafe fn(&[u8], &[u8], &mut [i32]),
    pub hamming_gather: GatherBits,
    pub hamming_block: unsafe fn(&[u8], &[u8], usize, &mut [i32]),
}

impl Level {
    const ALL: [Level; 6] =
        [Level::Scalar, Level::Neon, Level::Avx2, Level::Avx512, Level::Avx512Vnni, Level::Avx512Popcnt];

    /// The name that `ELANUS_SIMD` takes.
    pub fn name(self) -> &'static str {
        match self {
            Level::Scalar => "scalar",
            Level::Neon => "neon",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
            Level::Avx512Vnni => "avx512vnni",
            Level::Avx512Popcnt => "avx512popcnt",
        }
    }

    /// The kernels of a level, if this CPU can run them.
    pub(super) fn kernels(self) -> Option<&'static Kernels> {
        match self {
            Level::Scalar => Some(&super::scalar::KERNELS),
            #[cfg(target_arch = "aarch64")]
            Level::Neon => std::arch::is_aarch64_feature_detected!("neon").then_some(&super::neon::KERNELS),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => has_avx2().then_some(&super::avx2::KERNELS),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => has_avx512().then_some(&super::avx512::plain::KERNELS),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Vnni => has_vnni().then_some(&super::avx512::vnni::KERNELS),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Popcnt => (has_vnni() && std::arch::is_x86_feature_detected!("avx512vpopcntdq"))
                .then_some(&super::avx512::popcnt::KERNELS),
            _ => None,
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("fma")
        && std::arch::is_x86_feature_detected!("popcnt")
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    has_avx2()
        && std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512vl")
}

#[cfg(target_arch = "x86_64")]
fn has_vnni() -> bool {
    has_avx512() && std::arch::is_x86_feature_detected!("avx512vnni")
}

/// The levels that this CPU can run, slowest first.
pub fn available() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| level.kernels().is_some())
}

/// The level in use: the one that `ELANUS_SIMD` names, or the fastest available when it names none that is.
pub fn level() -> Level {
    chosen().0
}

/// The name of the level in use.
pub fn level_name() -> &'static str {
    level().name()
}

/// The kernels in use.
#[inline]
pub(super) fn kernels() -> &'static Kernels {
    chosen().1
}

#[inline]
fn chosen() -> (Level, &'static Kernels) {
    static CHOSEN: OnceLock<(Level, &'static Kernels)> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let level = choose(std::env::var("ELANUS_SIMD").ok().as_deref());
        (level, level.kernels().unwrap_or(&super::scalar::KERNELS))
    })
}

fn choose(wanted: Option<&str>) -> Level {
    let named = available().find(|level| Some(level.name()) == wanted);
    named.or(available().last()).unwrap_or(Level::Scalar)
}

/// Defines a level's table `KERNELS`: the kernels of `lanes` behind `#[target_feature]`, which cannot be generic over
/// the features. `rows` are those of a tile of `dot_block`.
macro_rules! entries {
    ($lanes:ty, $features:literal, rows = $rows:literal) => {
        use $crate::kernel::lanes::{self, Difference, Product};
        use $crate::kernel::{bits, codes, tables};

        pub(in $crate::kernel) static KERNELS: $crate::kernel::level::Kernels =
            $crate::kernel::level::Kernels {
                l2,
                dot,
                dot_norm,
                l2_rows,
                dot_rows,
                dot_block,
                dot_code,
                dot_code_rows,
                dot_code_gather,
                dot_code_block,
                dot_byte_block,
                dot_byte_gather,
                combine_columns,
                nearest_columns,
                sum_tables,
                hamming,
                hamming_rows,
                hamming_gather,
                hamming_block,
            };

        // SAFETY (of all): the caller of an entry vouches for the features and the lengths, as `lanes` asks.

        #[target_feature(enable = $features)]
        fn l2(a: &[f32], b: &[f32]) -> f32 {
            // SAFETY: see above.
            unsafe { lanes::pair::<$lanes, Difference>(a, b) }
        }

        #[target_feature(enable = $features)]
        fn dot(a: &[f32], b: &[f32]) -> f32 {
            // SAFETY: see above.
            unsafe { lanes::pair::<$lanes, Product>(a, b) }
        }

        #[target_feature(enable = $features)]
        fn dot_norm(a: &[f32], b: &[f32]) -> (f32, f32) {
            // SAFETY: see above.
            unsafe { lanes::dot_norm::<$lanes>(a, b) }
        }

        #[target_feature(enable = $features)]
        fn l2_rows(query: &[f32], rows: &[f32], out: &mut [f32]) {
            // SAFETY: see above.
            unsafe { lanes::rows::<$lanes, Difference>(query, rows, out) }
        }

        #[target_feature(enable = $features)]
        fn dot_rows(query: &[f32], rows: &[f32], out: &mut [f32]) {
            // SAFETY: see above.
            unsafe { lanes::rows::<$lanes, Product>(query, rows, out) }
        }

        #[target_feature(enable = $features)]
        fn dot_block(queries: &[f32], rows: &[f32], dim: usize, out: &mut [f32]) {
            // SAFETY: see above.
            unsafe { lanes::dot_block::<$lanes, $rows>(queries, rows, dim, out) }
        }

        #[target_feature(enable = $features)]
        fn dot_code(query: &[i8], code: &[u8]) -> i32 {
            // SAFETY: see above.
            unsafe { codes::dot_code::<$lanes>(query, code) }
        }

        #[target_feature(enable = $features)]
        fn dot_code_rows(query: &[i8], codes: &[u8], out: &mut [i32]) {
            // SAFETY: see above.
            unsafe { codes::dot_code_rows::<$lanes>(query, codes, out) }
        }

        #[target_feature(enable = $features)]
        fn dot_code_gather(query: &[i8], codes: &[u8], rows: &[u32], out: &mut [i32]) {
            // SAFETY: see above.
            unsafe { codes::dot_code_gather::<$lanes>(query, codes, rows, out) }
        }

        #[target_feature(enable = $features)]
        fn dot_code_block(queries: &[i8], codes: &[u8], stride: usize, out: &mut [i32]) {
            // SAFETY: see above.
            unsafe { codes::dot_code_block::<$lanes>(queries, codes, stride, out) }
        }

        #[target_feature(enable = $features)]
        fn dot_byte_block(queries: &[i8], width: usize, codes: &[u8], stride: usize, out: &mut [i32]) {
            // SAFETY: see above.
            unsafe { codes::dot_byte_block::<$lanes>(queries, width, codes, stride, out) }
        }

        #[target_feature(enable = $features)]
        fn dot_byte_gather(query: &[i8], codes: &[u8], stride: usize, rows: &[u32], out: &mut [i32]) {
            // SAFETY: see above.
            unsafe { codes::dot_byte_gather::<$lanes>(query, codes, stride, rows, out) }
        }

        #[target_feature(enable = $features)]
        fn combine_columns(point: &[f32], columns: &[f32], out: &mut [f32]) {
            // SAFETY: see above.
            unsafe { tables::combine_columns::<$lanes>(point, columns, out) }
        }

        #[target_feature(enable = $features)]
        fn nearest_columns(
            points: &[f32],
            stride: usize,
            columns: &[f32],
            half_norms: &[f32],
            out: &mut [u32],
        ) {
            // SAFETY: see above.
            unsafe { tables::nearest_columns::<$lanes>(points, stride, columns, half_norms, out) }
        }

        #[target_feature(enable = $features)]
        fn sum_tables(tables: &[u8], codes: &[u8], stride: usize, out: &mut [u32; 32]) {
            // SAFETY: see above.
            unsafe { tables::sum_tables::<$lanes>(tables, codes, stride, out) }
        }

        #[target_feature(enable = $features)]
        fn hamming(a: &[u8], b: &[u8]) -> i32 {
            // SAFETY: see above.
            unsafe { bits::hamming::<$lanes>(a, b) }
        }

        #[target_feature(enable = $features)]
        fn hamming_rows(query: &[u8], rows: &[u8], out: &mut [i32]) {
            // SAFETY: see above.
            unsafe { bits::hamming_rows::<$lanes>(query, rows, out) }
        }

        #[target_feature(enable = $features)]
        fn hamming_gather(query: &[u8], all: &[u8], rows: &[u32], out: &mut [i32]) {
            // SAFETY: see above.
            unsafe { bits::hamming_gather::<$lanes>(query, all, rows, out) }
        }

        #[target_feature(enable = $features)]
        fn hamming_block(queries: &[u8], rows: &[u8], stride: usize, out: &mut [i32]) {
            // SAFETY: see above.
            unsafe { bits::hamming_block::<$lanes>(queries, rows, stride, out) }
        }
    };
}
pub(super) use entries;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_lowers_the_level_and_other_names_do_nothing() {
        let best = available().last();
        assert_eq!(available().next(), Some(Level::Scalar));
        for level in available() {
            assert_eq!(choose(Some(level.name())), level);
        }
        for wanted in [None, Some(""), Some("AVX2"), Some("sse9"), Some("neon2")] {
            assert_eq!(Some(choose(wanted)), best, "{wanted:?}");
        }
        for level in Level::ALL.into_iter().filter(|level| level.kernels().is_none()) {
            assert_eq!(Some(choose(Some(level.name()))), best, "{level:?}");
        }
        assert!(available().any(|level| level == super::level()));
        assert_eq!(level_name(), level().name());
    }
}
