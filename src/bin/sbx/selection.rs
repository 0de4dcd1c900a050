//! A selector that selects nothing, which would else look as if there were nothing to do.

use std::collections::BTreeSet;

use sbx::reconcile::plan::Policy;
use sbx::reconcile::{Desired, World};
use sbx::types::{Labels, Selector};

use crate::ui::{Ui, escape, names};

/// Tells that a selector selects nothing that is declared or recorded, and which labels there are.
pub(crate) fn tell_of_none(policy: &Policy, desired: &Desired, world: &World, ui: &mut Ui) {
    let declared = desired.iter().map(|object| &object.labels);
    let recorded = world.inventory.iter().flat_map(|inventory| inventory.iter()).map(|(_, entry)| &entry.labels);
    let all: Vec<_> = declared.chain(recorded).collect();
    if let Some(text) = none_selected(&policy.scope.selector, &all) {
        ui.warning(&escape(&text));
    }
}

fn none_selected(selector: &Selector, all: &[&Labels]) -> Option<String> {
    if selector.is_empty() || all.iter().any(|labels| selector.selects(labels)) {
        return None;
    }
    let known: BTreeSet<_> = all.iter().copied().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    let hint = if known.is_empty() {
        "nothing declared or recorded has any label".to_owned()
    } else {
        format!("the labels that there are: {}", names(&known))
    };
    Some(format!("the selector `{selector}` selects nothing, so that nothing is planned; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_a_selector_that_selects_nothing_is_told_of() {
        let all = [labels(&[("team", "ads"), ("tier", "test")]), labels(&[("team", "search")]), Labels::default()];
        let told = |selector: &str, all: &[Labels]| {
            none_selected(&selector.parse().expect("a selector"), &all.iter().collect::<Vec<_>>())
        };
        assert_eq!(told("team=ads", &all), None);
        assert_eq!(told("!team", &all), None);
        assert_eq!(none_selected(&Selector::default(), &[]), None);
        insta::assert_snapshot!(told("team=sales", &all).expect("a warning"), @"the selector `team=sales` selects nothing, so that nothing is planned; the labels that there are: team=ads, team=search, tier=test");
        insta::assert_snapshot!(told("team", &all[2..]).expect("a warning"), @"the selector `team` selects nothing, so that nothing is planned; nothing declared or recorded has any label");
        let many: Vec<Labels> = (0..20).map(|n| labels(&[("n", n.to_string().as_str())])).collect();
        insta::assert_snapshot!(told("m", &many).expect("a warning"), @"the selector `m` selects nothing, so that nothing is planned; the labels that there are: n=0, n=1, n=10, n=11, n=12, n=13, n=14, n=15 and 12 more");
    }
}
