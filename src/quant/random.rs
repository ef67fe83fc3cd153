//! Numbers by chance that are the same on every machine: SplitMix64 (Steele, Lea & Flood 2014).

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A sequence of numbers.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.number()) * bound as u128) >> 64) as usize
    }

    /// `count` different numbers below `bound`, in random order (the start of a Fisher-Yates shuffle).
    pub fn choose(&mut self, bound: usize, count: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..bound as u32).collect();
        for i in 0..count {
            let other = i + self.below(bound - i);
            all.swap(i, other);
        }
        all.truncate(count);
        all
    }
}

/// The number at `place` of the sequence of `seed`: a hash of both.
pub fn hash(seed: u64, place: u64) -> u64 {
    Random(seed.wrapping_add(place.wrapping_mul(STEP))).number()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_splitmix64() {
        let mut random = Random::new(1_234_567);
        // The first numbers of Vigna's reference implementation.
        let numbers = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        for (place, number) in (0..).zip(numbers) {
            assert_eq!(random.number(), number);
            assert_eq!(hash(1_234_567, place), number);
        }
    }

    #[test]
    fn chosen_numbers_differ() {
        let mut chosen = Random::new(5).choose(100, 60);
        assert!(chosen.windows(2).any(|pair| pair[0] > pair[1]), "a random order");
        chosen.sort_unstable();
        chosen.dedup();
        assert!(chosen.len() == 60 && chosen[59] < 100);
    }
}
