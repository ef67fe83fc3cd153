//! The trees as they are kept: tables that are mapped and searched as they lie in a file.
//!
//! A tree halves the range `0..rows` of its own order of the places: a node cuts its range in two, and a range of at most
//! `leaf` places is a leaf. So a leaf needs no node, and the inner nodes are numbered level by level, the children of a
//! node side by side.

use super::super::sections::{SectionWriter, Sections};
use crate::error::{Error, Result};
use crate::kernel;
use arrow_buffer::{Buffer, ScalarBuffer, ToByteSlice};
use std::cmp::Ordering;

/// Numbers of a node in the table: cut, child, threshold, lift, weight.
pub const FIELDS: usize = 5;

/// All trees of an index.
pub struct Forest {
    rows: usize,
    /// The most places of a leaf.
    leaf: usize,
    /// Bytes of a normal.
    stride: usize,
    /// Tree `t` has the nodes `roots[t]..roots[t + 1]`.
    roots: ScalarBuffer<u32>,
    /// [`FIELDS`] numbers a node.
    nodes: ScalarBuffer<u32>,
    /// `stride` bytes a node: what its plane stands on.
    normals: ScalarBuffer<i8>,
    /// The places in the order of each tree, `rows` a tree.
    places: ScalarBuffer<u32>,
}

/// An inner node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node {
    /// The first place of the right child.
    pub cut: u32,
    /// The number of the first child that is no leaf.
    pub child: u32,
    /// A vector whose product with the normal is at least this is on the right side.
    pub threshold: i32,
    /// The normal's value in the dimension that inner products are lifted by.
    pub lift: i32,
    /// One over the normal's squared length; 0 if it has none.
    pub weight: f32,
}

/// The finished parts of one tree.
#[derive(Default)]
pub struct Tree {
    /// Children are numbered from the tree's root.
    pub nodes: Vec<Node>,
    pub normals: Vec<i8>,
    pub places: Vec<u32>,
}

/// Part of a tree that waits for its turn in a search, the nearest first.
#[derive(Clone, Copy, Debug)]
pub struct Branch {
    /// What planes lie between the query and this part, as the sum of their squared distances.
    far: f32,
    tree: u32,
    /// Of a leaf, any number.
    node: u32,
    start: u32,
    end: u32,
}

impl Forest {
    /// Puts trees over `rows` rows together.
    pub fn new(rows: usize, leaf: usize, stride: usize, trees: Vec<Tree>) -> Result<Forest> {
        let count: usize = trees.iter().map(|tree| tree.nodes.len()).sum();
        if u32::try_from(count).is_err() {
            return Err(Error::invalid(format!("an ANNOY index of {count} nodes. Valid range is [0, 2^32)")));
        }
        let mut roots = vec![0];
        let whole = trees.len() * rows;
        let (mut nodes, mut normals) =
            (Vec::with_capacity(count * FIELDS), Vec::with_capacity(count * stride));
        let mut places = Vec::with_capacity(whole);
        // Each tree is let go when it has its place.
        for tree in trees {
            let root = (nodes.len() / FIELDS) as u32;
            let number = |node: &Node| {
                let child = root + node.child;
                [node.cut, child, node.threshold as u32, node.lift as u32, node.weight.to_bits()]
            };
            nodes.extend(tree.nodes.iter().flat_map(number));
            normals.extend_from_slice(&tree.normals);
            places.extend_from_slice(&tree.places);
            roots.push((nodes.len() / FIELDS) as u32);
        }
        // A copy, because a `Vec` does not start at a cache line.
        let normals = ScalarBuffer::new(Buffer::from_slice_ref(&normals), 0, count * stride);
        Ok(Forest {
            rows,
            leaf,
            stride,
            roots: roots.into(),
            nodes: nodes.into(),
            normals,
            places: places.into(),
        })
    }

    /// Reads what [`Forest::save`] wrote, and walks each tree to see that it is one.
    pub fn load(
        rows: usize,
        leaf: usize,
        stride: usize,
        trees: usize,
        sections: &Sections,
    ) -> Result<Forest> {
        let roots = sections.typed::<u32>("roots", trees + 1)?;
        let count = roots.last().map_or(0, |&end| end as usize);
        let too_large = || Error::corrupt("the ANNOY index is too large");
        let nodes = sections.typed("nodes", count.checked_mul(FIELDS).ok_or_else(too_large)?)?;
        let normals = sections.typed("normals", count.checked_mul(stride).ok_or_else(too_large)?)?;
        let places = sections.typed("places", trees.checked_mul(rows).ok_or_else(too_large)?)?;
        let forest = Forest { rows, leaf, stride, roots, nodes, normals, places };
        if forest.roots[0] != 0 || !forest.roots.is_sorted() {
            return Err(Error::corrupt("the trees of the ANNOY index do not follow each other"));
        }
        (0..trees).try_for_each(|tree| forest.check(tree))?;
        // Without an early end, so that it is compiled to wide comparisons.
        if forest.places.iter().fold(false, |bad, &place| bad | (place as usize >= rows)) {
            return Err(Error::corrupt(format!("a leaf of the ANNOY index has a row beyond {rows}")));
        }
        Ok(forest)
    }

    pub fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        out.section("roots", self.roots.to_byte_slice())?;
        out.section("nodes", self.nodes.to_byte_slice())?;
        out.section("normals", self.normals.to_byte_slice())?;
        out.section("places", self.places.to_byte_slice())
    }

    /// Bytes of its own.
    pub fn memory(&self) -> usize {
        let numbers = self.roots.len() + self.nodes.len() + self.places.len();
        numbers * size_of::<u32>() + self.normals.len()
    }

    /// How many trees there are.
    pub fn trees(&self) -> usize {
        self.roots.len() - 1
    }

    /// Whether the nodes of a tree are those of a walk from its root, level by level: then every search ends.
    fn check(&self, tree: usize) -> Result<()> {
        let (first, end) = (self.roots[tree], self.roots[tree + 1]);
        let corrupt = |what: &str| Err(Error::corrupt(format!("tree {tree} of the ANNOY index {what}")));
        let count = (end - first) as usize;
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        let waiting = |ranges: &mut Vec<_>, start: u32, end: u32| {
            if (end - start) as usize > self.leaf {
                ranges.push((start, end));
            }
        };
        waiting(&mut ranges, 0, self.rows as u32);
        let mut at = 0;
        while at < ranges.len() {
            if ranges.len() > count {
                return corrupt("has too few nodes");
            }
            let (start, end) = ranges[at];
            let node = self.node(first + at as u32);
            if !(start < node.cut && node.cut < end && node.weight >= 0.0 && node.weight.is_finite()) {
                return corrupt("has a node that does not cut its range");
            }
            if node.child as usize != first as usize + ranges.len() {
                return corrupt("has a node without its children");
            }
            waiting(&mut ranges, start, node.cut);
            waiting(&mut ranges, node.cut, end);
            at += 1;
        }
        if ranges.len() == count { Ok(()) } else { corrupt("has too many nodes") }
    }

    fn node(&self, number: u32) -> Node {
        let fields = &self.nodes[number as usize * FIELDS..][..FIELDS];
        Node {
            cut: fields[0],
            child: fields[1],
            threshold: fields[2] as i32,
            lift: fields[3] as i32,
            weight: f32::from_bits(fields[4]),
        }
    }

    fn normal(&self, number: u32) -> &[i8] {
        &self.normals[number as usize * self.stride..][..self.stride]
    }

    /// The whole of each tree.
    pub fn roots(&self) -> impl Iterator<Item = Branch> {
        let whole = |tree| Branch {
            far: 0.0,
            tree,
            node: self.roots[tree as usize],
            start: 0,
            end: self.rows as u32,
        };
        (0..self.trees() as u32).map(whole)
    }

    /// Goes down from `branch` to the leaf on the query's side, and hands out all that lies on other sides. The query is
    /// a code of the same form as the rows', and not lifted. Returns the places of the leaf.
    pub fn descend(&self, branch: Branch, query: &[u8], mut aside: impl FnMut(Branch)) -> &[u32] {
        let Branch { far, tree, mut node, mut start, mut end } = branch;
        while (end - start) as usize > self.leaf {
            let Node { cut, child, threshold, weight, .. } = self.node(node);
            let margin = i64::from(kernel::dot_code(self.normal(node), query)) - i64::from(threshold);
            let left = Branch { far, tree, node: child, start, end: cut };
            let second = child.saturating_add(u32::from((cut - start) as usize > self.leaf));
            let right = Branch { far, tree, node: second, start: cut, end };
            let (near, other) = if margin < 0 { (left, right) } else { (right, left) };
            aside(Branch { far: far + margin as f32 * margin as f32 * weight, ..other });
            (node, start, end) = (near.node, near.start, near.end);
        }
        let base = tree as usize * self.rows;
        &self.places[base + start as usize..base + end as usize]
    }
}

/// The nearest first; of equally near ones, the first tree's.
impl Ord for Branch {
    fn cmp(&self, other: &Branch) -> Ordering {
        let key = |branch: &Branch| (branch.tree, branch.start);
        other.far.total_cmp(&self.far).then(key(other).cmp(&key(self)))
    }
}

impl PartialOrd for Branch {
    fn partial_cmp(&self, other: &Branch) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Branch {
    fn eq(&self, other: &Branch) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Branch {}
