//! What the levels of a column say: which lists there are, how long they are, and which values are null.
//!
//! There is a pair of levels for each value, and for each list without any. The repetition level is 0 where a row begins.

use super::layout::Layout;
use crate::error::{Error, Result};
use arrow_array::{ArrayRef, ListArray};
use arrow_buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow_schema::FieldRef;
use std::sync::Arc;

/// Levels that are looked at together; short enough that a row of few is not looked through far beyond its end.
const BLOCK: usize = 32;

/// The lists of a column, without their elements.
pub struct Lists {
    offsets: OffsetBuffer<i32>,
    valid: Option<NullBuffer>,
}

impl Lists {
    /// The lists of `rows` rows: from `element_level` on there is an element, one below there is none, further below there
    /// is no list.
    pub fn new(rows: usize, definitions: &[i16], repetitions: &[i16], element_level: i16) -> Result<Lists> {
        if repetitions.first().is_some_and(|&level| level != 0) {
            return Err(Error::invalid("it begins within a row"));
        }
        let (mut ends, mut valid) = (Vec::with_capacity(rows + 1), Vec::new());
        ends.push(0);
        let (mut at, mut elements) = (0, 0);
        while at < repetitions.len() {
            let first = definitions.get(at).copied().unwrap_or_default();
            let length = 1 + begins(&repetitions[at + 1..]);
            at += length;
            elements += if length == 1 && first < element_level { 0 } else { length };
            let end = i32::try_from(elements);
            ends.push(
                end.map_err(|_| Error::invalid("the lists of a batch have more than 2^31 - 1 elements"))?,
            );
            if element_level > 1 {
                valid.push(first >= element_level - 1);
            }
        }
        if ends.len() != rows + 1 {
            return Err(Error::invalid(format!("it has {} lists for {rows} rows", ends.len() - 1)));
        }
        if elements != count(definitions, |level| level >= element_level) {
            return Err(Error::invalid("some of its lists end within"));
        }
        let valid = (element_level > 1).then(|| NullBuffer::from(valid)).filter(|v| v.null_count() > 0);
        Ok(Lists { offsets: OffsetBuffer::new(ends.into()), valid })
    }

    pub fn elements(&self) -> usize {
        self.offsets.last() as usize
    }

    /// The lists with their elements.
    pub fn with(self, item: &FieldRef, elements: ArrayRef) -> Result<ArrayRef> {
        let lists = ListArray::try_new(item.clone(), self.offsets, elements, self.valid);
        lists.map(|lists| Arc::new(lists) as ArrayRef).map_err(|e| Error::invalid(e.to_string()))
    }
}

/// Which of so many places have a value; `None` if all do.
pub fn valid(places: usize, definitions: &[i16], layout: &Layout) -> Result<Option<NullBuffer>> {
    let Layout { element_level, value_level, .. } = *layout;
    if definitions.len() == places && count(definitions, |level| level == value_level) == places {
        return Ok(None);
    }
    if count(definitions, |level| level > value_level) > 0 {
        return Err(Error::invalid(format!("it has a definition level above {value_level}")));
    }
    if value_level == element_level {
        return Ok(None);
    }
    let of_places = definitions.iter().filter(|&&level| level >= element_level);
    let valid: BooleanBuffer = of_places.map(|&level| level == value_level).collect();
    if valid.len() != places {
        return Err(Error::invalid(format!("it has {} levels for {places} places", valid.len())));
    }
    Ok(Some(NullBuffer::new(valid)))
}

/// How many levels there are before the next row begins.
fn begins(repetitions: &[i16]) -> usize {
    let mut before = 0;
    for block in repetitions.chunks(BLOCK) {
        // Without an early exit inside, so that the compiler vectorises it.
        if block.iter().fold(false, |any, &level| any | (level == 0)) {
            return before + block.iter().position(|&level| level == 0).unwrap_or_default();
        }
        before += block.len();
    }
    before
}

fn count(levels: &[i16], which: impl Fn(i16) -> bool) -> usize {
    // Short sums of short numbers, for the same reason.
    let blocks = levels.chunks(BLOCK * BLOCK);
    blocks.map(|block| usize::from(block.iter().map(|&level| u16::from(which(level))).sum::<u16>())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::DataType as ArrowType;

    fn lists(
        definitions: &[i16],
        repetitions: &[i16],
        element_level: i16,
        rows: usize,
    ) -> Result<(Vec<i32>, usize)> {
        let lists = Lists::new(rows, definitions, repetitions, element_level)?;
        Ok((lists.offsets.to_vec(), lists.valid.map_or(0, |valid| valid.null_count())))
    }

    #[test]
    fn lists_of_all_kinds() {
        // [a, null], null, [], [b] of an optional list of optional elements.
        let (definitions, repetitions) = ([3, 2, 0, 1, 3], [0, 1, 0, 0, 0]);
        assert_eq!(lists(&definitions, &repetitions, 2, 4).unwrap(), (vec![0, 2, 2, 2, 3], 1));
        assert_eq!(lists(&[], &[], 2, 0).unwrap(), (vec![0], 0));
        assert_eq!(lists(&[1, 1, 0], &[0, 1, 0], 1, 2).unwrap(), (vec![0, 2, 2], 0));
        let message = |given: Result<_>| given.unwrap_err().message().to_owned();
        assert_eq!(message(lists(&[1], &[1], 1, 1)), "it begins within a row");
        assert_eq!(message(lists(&[1, 1], &[0, 0], 1, 3)), "it has 2 lists for 3 rows");
        assert_eq!(message(lists(&[1, 0], &[0, 1], 1, 1)), "some of its lists end within");
        assert_eq!(message(lists(&[1], &[0, 1], 1, 1)), "some of its lists end within");
    }

    #[test]
    fn long_rows() {
        for lengths in [[1, 31, 32, 33], [63, 64, 65, 1], [384, 384, 384, 384]] {
            let mut repetitions: Vec<i16> = Vec::new();
            for length in lengths {
                repetitions.extend((0..length).map(|at| i16::from(at > 0)));
            }
            let (offsets, _) = lists(&vec![1; repetitions.len()], &repetitions, 1, 4).unwrap();
            let got: Vec<i32> = offsets.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert_eq!(got, lengths);
        }
    }

    #[test]
    fn places_of_values() {
        let layout = |element_level, value_level| Layout {
            name: "c".to_owned(),
            of: ArrowType::Int32,
            item: None,
            element_level,
            value_level,
        };
        let nulls = |places, definitions: &[i16], element, value| {
            valid(places, definitions, &layout(element, value))
                .map(|v| v.map(|v| v.iter().collect::<Vec<_>>()))
        };
        assert_eq!(nulls(2, &[], 0, 0).unwrap(), None);
        assert_eq!(nulls(2, &[1, 1], 0, 1).unwrap(), None);
        assert_eq!(nulls(2, &[0, 1], 0, 1).unwrap(), Some(vec![false, true]));
        assert_eq!(nulls(3, &[3, 2, 0, 1, 3], 2, 3).unwrap(), Some(vec![true, false, true]));
        assert!(nulls(1, &[3], 1, 2).is_err());
        assert!(nulls(3, &[0, 1], 0, 1).is_err());
        assert_eq!(count(&[1; 5000], |level| level == 1), 5000);
    }
}
