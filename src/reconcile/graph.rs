//! Orders things that come after one another.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Returns an order in which every index comes after all indices in its list, smaller indices first where the lists do
/// not say.
///
/// # Errors
///
/// The first index that has no place, if the lists go in a circle.
pub(super) fn order(after: &[Vec<usize>]) -> Result<Vec<usize>, usize> {
    let followers = followers(after);
    let mut n_missing: Vec<usize> = after.iter().map(Vec::len).collect();
    let mut ready: BinaryHeap<_> = (0..after.len()).filter(|&index| n_missing[index] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(after.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for &follower in &followers[index] {
            n_missing[follower] -= 1;
            if n_missing[follower] == 0 {
                ready.push(Reverse(follower));
            }
        }
    }
    match n_missing.iter().position(|&n_missing| n_missing > 0) {
        None => Ok(order),
        Some(index) => Err(index),
    }
}

/// Returns, for each index, the indices that come directly after it.
pub(super) fn followers(after: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut followers = vec![Vec::new(); after.len()];
    for (index, before) in after.iter().enumerate() {
        for &earlier in before {
            followers[earlier].push(index);
        }
    }
    followers
}

/// Returns, for each index of lists in a good order (each index larger than all in its list), the length of the longest
/// chain that begins with it.
pub(super) fn heights(after: &[Vec<usize>]) -> Vec<usize> {
    let mut heights = vec![1; after.len()];
    for index in (0..after.len()).rev() {
        for &earlier in &after[index] {
            heights[earlier] = heights[earlier].max(heights[index] + 1);
        }
    }
    heights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_ones_first_and_small_ones_before_large_ones() {
        assert_eq!(order(&[vec![2], vec![], vec![], vec![0, 1]]), Ok(vec![1, 2, 0, 3]));
        assert_eq!(order(&[vec![], vec![2], vec![1]]), Err(1));
        assert_eq!(order(&[]), Ok(vec![]));
    }

    #[test]
    fn height_is_the_longest_chain() {
        assert_eq!(heights(&[vec![], vec![0], vec![1], vec![]]), vec![3, 2, 1, 1]);
    }
}
