//! IVF_SQ8H: IVF_SQ8 whose steps run where they are fastest, on the CPU or on a GPU. Without a GPU it is IVF_SQ8.

use super::sq8::Sq8;
use super::{Coarse, Lists};
use crate::error::Result;
use crate::index::sections::SectionWriter;
use crate::index::{Index, Probe, Scratch};
use crate::kernel::topk::TopK;

/// Where the steps of a search run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    Cpu,
    /// The nearest centroids are found on the GPU, the lists are scanned on the CPU.
    CoarseOnGpu,
    Gpu,
}

/// What a GPU can do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub topk: usize,
    pub nprobe: usize,
}

/// Where a search of `nq` queries runs: as Milvus 1.x decides for IVF_SQ8H. Many queries are worth the way of the lists to
/// the GPU: from `threshold` (`gpu_search_threshold`) on, all runs there; below, only the coarse step does. What no GPU can
/// do, or without a GPU (`None`), the CPU does.
pub fn placement(nq: usize, topk: usize, nprobe: usize, threshold: usize, gpu: Option<Limits>) -> Placement {
    match gpu {
        Some(limits) if topk <= limits.topk && nprobe <= limits.nprobe => {
            if nq >= threshold {
                Placement::Gpu
            } else {
                Placement::CoarseOnGpu
            }
        }
        _ => Placement::Cpu,
    }
}

/// The index. Its file is that of IVF_SQ8.
pub struct Hybrid<S>(pub Lists<S, Sq8>);

impl<S: Coarse<Value = f32>> Index for Hybrid<S> {
    fn traverse(&self, probe: &Probe, scratch: &mut Scratch, tops: &mut [TopK]) -> Result<()> {
        let nprobe = self.0.nprobe(probe);
        let threshold = probe.params.count("gpu_search_threshold");
        match placement(tops.len(), probe.k, nprobe, threshold, gpu()) {
            // No GPU is in use yet, so that all searches are placed here.
            Placement::Cpu | Placement::CoarseOnGpu | Placement::Gpu => self.0.traverse(probe, scratch, tops),
        }
    }

    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn cost(&self, probe: &Probe, allowed: usize) -> f64 {
        self.0.cost(probe, allowed)
    }

    fn exhaust(&self, probe: &Probe, tops: &mut [TopK]) {
        self.0.exhaust(probe, tops);
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        self.0.save(out)
    }

    fn memory(&self) -> usize {
        self.0.memory()
    }
}

/// The GPU in use: none in this version.
fn gpu() -> Option<Limits> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_queries_go_to_the_gpu_and_what_it_cannot_do_stays() {
        // Milvus 1.x' maxima of a GPU.
        let gpu = Some(Limits { topk: 2_048, nprobe: 2_048 });
        for (nq, topk, nprobe, threshold, gpu, expected) in [
            (1_000, 10, 8, 1_000, gpu, Placement::Gpu),
            (999, 10, 8, 1_000, gpu, Placement::CoarseOnGpu),
            (1, 10, 8, 1, gpu, Placement::Gpu),
            (1_000, 2_048, 2_048, 1_000, gpu, Placement::Gpu),
            (1_000, 2_049, 8, 1_000, gpu, Placement::Cpu),
            (1_000, 10, 2_049, 1_000, gpu, Placement::Cpu),
            (1, 10, 2_049, 1_000, gpu, Placement::Cpu),
            (1_000, 10, 8, 1_000, None, Placement::Cpu),
            (1, 10, 8, 1_000, None, Placement::Cpu),
        ] {
            assert_eq!(placement(nq, topk, nprobe, threshold, gpu), expected, "{nq} {topk} {nprobe}");
        }
    }
}
