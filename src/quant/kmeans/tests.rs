use super::*;

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

fn options(k: usize) -> Options {
    Options { k, iterations: 10, rows_per_centroid: 256, spherical: false, seed: 7 }
}

/// `rows` rows near `clusters` corners far from each other.
fn clustered(rows: usize, dim: usize, clusters: usize) -> Vec<f32> {
    let mut random = Random::new(1);
    let mut noise = |size: f64| (random.number() as f64 / u64::MAX as f64 * size) as f32;
    let corners: Vec<f32> = (0..clusters * dim).map(|_| noise(100.0)).collect();
    let value = |i: usize| corners[(i / dim % clusters) * dim + i % dim];
    (0..rows * dim).map(|i| value(i) + noise(1.0)).collect()
}

fn train(values: &[f32], dim: usize, options: &Options, threads: usize) -> Centroids {
    Centroids::train(values, dim, options, &pool(threads), &mut |_| Ok(())).unwrap()
}

fn nearest(centroids: &Centroids, values: &[f32]) -> Vec<u32> {
    let mut nearest = vec![0; values.len() / centroids.dim];
    centroids.assign(values, &pool(2), &mut nearest, &mut |_| Ok(())).unwrap();
    nearest
}

#[test]
fn the_thread_count_changes_nothing() {
    let values = clustered(5_000, 12, 40);
    for spherical in [false, true] {
        let options = Options { spherical, rows_per_centroid: 20, ..options(200) };
        let one = train(&values, 12, &options, 1);
        assert_eq!(one, train(&values, 12, &options, 2));
        assert_eq!(one, train(&values, 12, &options, 4));
        assert_ne!(one, train(&values, 12, &Options { seed: 8, ..options }, 1));
    }
}

#[test]
fn rows_go_to_their_nearest_centroid() {
    let values = clustered(1_000, 8, 10);
    let centroids = train(&values, 8, &options(700), 2);
    for (row, &found) in values.chunks_exact(8).zip(&nearest(&centroids, &values)) {
        let distance = |i: usize| f64::from(kernel::l2(row, &centroids.values[i * 8..][..8]));
        let best = (0..700).map(distance).fold(f64::INFINITY, f64::min);
        assert!(distance(found as usize) <= best + 0.1, "{} {best}", distance(found as usize));
    }
}

#[test]
fn training_lowers_the_distances() {
    let values = clustered(4_000, 16, 50);
    let cost = |iterations: usize| {
        let centroids = train(&values, 16, &Options { iterations, ..options(50) }, 2);
        let at = |i: u32| &centroids.values[i as usize * 16..][..16];
        let rows = values.chunks_exact(16).zip(nearest(&centroids, &values));
        rows.map(|(row, i)| f64::from(kernel::l2(row, at(i)))).sum::<f64>()
    };
    assert!(cost(10) < cost(0) * 0.7, "{} {}", cost(10), cost(0));
    // With many centroids only neighbours are compared, which is as good as comparing all.
    let cost = |assign: fn(&Centroids, &[f32], &mut [u32])| {
        let mut centroids = train(&values, 16, &Options { iterations: 1, ..options(300) }, 2);
        let mut own = nearest(&centroids, &values);
        for _ in 0..8 {
            assign(&centroids, &values, &mut own);
            centroids = Centroids::new(centroids.means(&values, &own, false, &pool(2)), 16, false);
        }
        let own = nearest(&centroids, &values);
        let at = |i: u32| &centroids.values[i as usize * 16..][..16];
        values.chunks_exact(16).zip(own).map(|(row, i)| f64::from(kernel::l2(row, at(i)))).sum::<f64>()
    };
    let all =
        cost(|centroids, values, own| centroids.assign(values, &pool(2), own, &mut |_| Ok(())).unwrap());
    let near = cost(|centroids, values, own| {
        centroids.move_to_neighbours(values, &pool(2), own, &mut |_| Ok(())).unwrap()
    });
    assert!(near < all * 1.05, "{near} {all}");
}

#[test]
fn empty_clusters_get_half_of_the_largest() {
    let mut means = vec![1024.0, 1024.0, 0.0, 0.0, 2048.0, 2048.0, 0.0, 0.0];
    fill_empty(&mut means, 2, &[9, 0, 2, 0]);
    // Cluster 0 (9 rows) gives 4 to cluster 1, and the 5 it keeps are the largest again.
    let outer = |x: f32| x * (1.0 + SPLIT);
    let inner = |x: f32| x * (1.0 - SPLIT);
    let (low, high) = (inner(1024.0), outer(1024.0));
    assert_eq!(means[2..4], [high, low]);
    assert_eq!(means[6..8], [outer(low), inner(high)]);
    assert_eq!(means[0..2], [inner(low), outer(high)]);
    assert_eq!(means[4..6], [2048.0, 2048.0]);
    // Nothing to split: nothing happens.
    let mut means = vec![1.0, 0.0];
    fill_empty(&mut means, 1, &[1, 0]);
    assert_eq!(means, [1.0, 0.0]);
}

#[test]
fn spherical_centroids_are_directions() {
    let centroids = train(&clustered(500, 8, 5), 8, &Options { spherical: true, ..options(5) }, 2);
    for row in centroids.values.chunks_exact(8) {
        assert!((kernel::dot(row, row) - 1.0).abs() < 1e-5);
    }
}

#[test]
fn odd_inputs_do_no_harm() {
    assert_eq!(train(&[], 3, &options(2), 1).values, [0.0; 6]);
    assert_eq!(train(&[1.0, 2.0], 2, &options(3), 1).len(), 3);
    let rows = [f32::MAX, f32::MAX, -f32::MAX, 0.0, f32::NAN, 1.0];
    assert_eq!(nearest(&train(&rows, 2, &options(2), 1), &rows).len(), 3);
    let stop = || crate::error::Error::new(crate::error::Code::Canceled, "stop");
    let values = clustered(100, 2, 3);
    assert!(Centroids::train(&values, 2, &options(3), &pool(1), &mut |_| Err(stop())).is_err());
}
