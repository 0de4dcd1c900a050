//! Lets what takes of a quota come after what gives it back, where the quota has no room for both.
//!
//! Nothing is ordered where everything fits as it is. Otherwise each step that takes gets its share from what is free,
//! then from what other steps of its change give back, then from the first steps that give back anything and do not wait
//! for it themselves; it waits for all of these. What is given back is handed out once, so that no order in which the
//! steps may happen goes over the quota. Where a step finds too little, the server has the last word.

use std::collections::{HashMap, HashSet};

use super::{Step, Verb};
use crate::kinds::{Key, KindId, Lookup, Quota, Spec};
use crate::reconcile::graph;
use crate::reconcile::world::World;
use crate::types::Name;

/// How many resources a quota has.
const N: usize = 5;
type Amounts = [u64; N];

/// Adds to each step what it has to wait for to find room.
pub(super) fn make_room(steps: &mut [Step], world: &World) {
    let Some(capacity) = world.capacity else { return };
    let free = capacity.free();
    let shares = shares(steps, world);
    let total = |resource: usize| shares.iter().map(|share| share.taken[resource]).fold(0, u64::saturating_add);
    let is_short = |(resource, free): (usize, &Option<u64>)| free.is_some_and(|free| total(resource) > free);
    if !free.iter().enumerate().any(is_short) {
        return;
    }
    let after: Vec<_> = steps.iter().map(|step| step.after.clone()).collect();
    let Ok(order) = graph::order(&after) else { return };
    let used = capacity.used.amounts().map(|(_, amount)| amount);
    let limit = capacity.limit.amounts().map(|(_, amount)| amount);
    let mut room = Room {
        free: free.map(|free| free.unwrap_or(u64::MAX)),
        // A workspace may be over its limit: the first that is given back makes up for that.
        owed: std::array::from_fn(|i| if limit[i] > 0 { used[i].saturating_sub(limit[i]) } else { 0 }),
        payers: Vec::new(),
        followers: graph::followers(&after),
        shares,
        order,
    };
    room.keep_own(steps);
    room.pay_debts();
    // What takes room for a moment only comes first: it leaves it to the others.
    let (passing, lasting): (Vec<_>, Vec<_>) = room.order.iter().partition(|&&step| room.shares[step].is_passing());
    for taker in passing.into_iter().chain(lasting) {
        for giver in room.givers_for(taker) {
            if steps[taker].after.contains(&giver) {
                continue;
            }
            steps[taker].after.push(giver);
            room.followers[giver].push(taker);
            // What was deleted may take of the quota until it is gone.
            if let Verb::Delete { is_waited_for } = &mut steps[giver].verb {
                *is_waited_for = true;
            }
        }
    }
}

/// What a step takes of the quota and gives back.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    taken: Amounts,
    given: Amounts,
}

impl Share {
    fn is_passing(&self) -> bool {
        (0..N).any(|i| self.taken[i] > 0 && self.given[i] > 0)
    }
}

struct Room {
    free: Amounts,
    owed: Amounts,
    /// The steps whose gifts make up for what is in use beyond the limit.
    payers: Vec<usize>,
    followers: Vec<Vec<usize>>,
    shares: Vec<Share>,
    order: Vec<usize>,
}

impl Room {
    /// Gives what a replacement gives back to what takes its place, which waits for it anyway.
    fn keep_own(&mut self, steps: &[Step]) {
        let mut givers: HashMap<usize, Vec<usize>> = HashMap::new();
        for (step, _) in self.shares.iter().enumerate().filter(|(_, share)| share.given != [0; N]) {
            givers.entry(steps[step].change).or_default().push(step);
        }
        for (taker, step) in steps.iter().enumerate() {
            for &giver in givers.get(&step.change).into_iter().flatten().filter(|&&giver| giver != taker) {
                let (mut taken, mut given) = (self.shares[taker].taken, self.shares[giver].given);
                (0..N).for_each(|i| move_over(&mut given[i], &mut taken[i]));
                (self.shares[taker].taken, self.shares[giver].given) = (taken, given);
            }
        }
    }

    fn pay_debts(&mut self) {
        for &giver in &self.order {
            let before = self.owed;
            let Share { taken, given } = &mut self.shares[giver];
            // What only gives back what it takes first makes up for nothing.
            let is_gain = |i: &usize| taken[*i] == 0;
            (0..N).filter(is_gain).for_each(|i| move_over(&mut given[i], &mut self.owed[i]));
            if self.owed != before {
                self.payers.push(giver);
            }
        }
    }

    /// Hands a step what it takes, and returns those that it has that from.
    fn givers_for(&mut self, taker: usize) -> Vec<usize> {
        let mut missing = self.shares[taker].taken;
        if missing == [0; N] {
            return Vec::new();
        }
        (0..N).for_each(|i| move_over(&mut self.free[i], &mut missing[i]));
        if missing == [0; N] && self.payers.is_empty() {
            return Vec::new();
        }
        let too_late = self.all_after(taker);
        let mut givers: Vec<_> = self.payers.iter().copied().filter(|payer| !too_late.contains(payer)).collect();
        for &giver in self.order.iter().filter(|giver| !too_late.contains(giver)) {
            let before = missing;
            (0..N).for_each(|i| move_over(&mut self.shares[giver].given[i], &mut missing[i]));
            if missing != before {
                givers.push(giver);
            }
        }
        givers
    }

    /// Returns a step and all that waits for it.
    fn all_after(&self, step: usize) -> HashSet<usize> {
        let mut seen = HashSet::from([step]);
        let mut queue = vec![step];
        while let Some(step) = queue.pop() {
            queue.extend(self.followers[step].iter().copied().filter(|&follower| seen.insert(follower)));
        }
        seen
    }
}

fn move_over(from: &mut u64, missing: &mut u64) {
    let moved = (*from).min(*missing);
    *from -= moved;
    *missing -= moved;
}

/// Returns what each step takes and gives back. The steps of a change that puts one object in the place of another have
/// an order of their own, and neither take nor give here.
fn shares(steps: &[Step], world: &World) -> Vec<Share> {
    let is_swap = |step: &&Step| matches!(step.verb, Verb::Swap { .. });
    let swapped: HashSet<_> = steps.iter().filter(is_swap).map(|step| step.change).collect();
    let later = Later::new(steps, world);
    let share = |step: &Step| {
        if swapped.contains(&step.change) {
            return Share::default();
        }
        let seen = step.expects.as_ref().and_then(|expected| expected.spec.as_ref());
        let before = || seen.map_or_else(Quota::default, |spec| spec.kind().takes(spec, world));
        let takes = |spec: &Spec| spec.kind().takes(spec, &later);
        let (before, during, after) = match &step.verb {
            Verb::Create { spec, .. } => (Quota::default(), spec.kind().takes_to_make(spec, &later), takes(spec)),
            Verb::Delete { .. } => (before(), Quota::default(), Quota::default()),
            Verb::Update { changes } => {
                let after = seen.map_or_else(Quota::default, |spec| takes(&spec.with_changes(changes)));
                (before(), after, after)
            }
            Verb::Rename { .. } | Verb::Swap { .. } | Verb::Verify { .. } => Default::default(),
        };
        let amounts = |quota: Quota| quota.amounts().map(|(_, amount)| amount);
        Share {
            taken: amounts(during.saturating_sub(before)),
            given: amounts(before.max(during).saturating_sub(after)),
        }
    };
    steps.iter().map(share).collect()
}

/// What there is once the steps are done: what they make and rename, and the world beside it.
struct Later<'a> {
    specs: HashMap<(KindId, &'a str), &'a Spec>,
    world: &'a World,
}

impl<'a> Later<'a> {
    fn new(steps: &'a [Step], world: &'a World) -> Self {
        let specs = steps.iter().filter_map(|step| match &step.verb {
            Verb::Create { spec, .. } => Some((name_of(&step.key), spec)),
            Verb::Rename { to } => {
                let spec = step.expects.as_ref()?.spec.as_ref()?;
                Some(((step.key.kind, Name::as_str(to)), spec))
            }
            _ => None,
        });
        Self { specs: specs.collect(), world }
    }
}

impl Lookup for Later<'_> {
    fn spec(&self, kind: KindId, name: &str) -> Option<&Spec> {
        self.specs.get(&(kind, name)).copied().or_else(|| self.world.spec(kind, name))
    }
}

fn name_of(key: &Key) -> (KindId, &str) {
    (key.kind, key.name.as_str())
}
