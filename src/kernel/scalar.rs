//! The scalar twin of every kernel: the oracle of the SIMD levels, and what runs where there is none.

pub fn l2(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

pub fn dot_code(query: &[i8], code: &[u8]) -> i32 {
    query.iter().zip(code).map(|(&q, &c)| i32::from(q) * i32::from(c)).sum()
}
