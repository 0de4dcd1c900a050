//! Whether an inventory is of the workspace that is looked at.

use super::{Inventory, Standing};
use crate::reconcile::world::World;

/// How many owned objects have to be gone, all there are, for that to be taken for another workspace. One that is gone
/// was deleted.
const MIN_GONE: usize = 2;

/// Why an inventory looks as if it were of another workspace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Stranger {
    /// It was recorded for another endpoint.
    #[error("the inventory was recorded for {recorded}, and this is {actual}")]
    OtherEndpoint {
        /// The endpoint that it was recorded for.
        recorded: String,
        /// The endpoint that is looked at.
        actual: String,
    },
    /// Nothing that it owns is there.
    #[error("none of the {n_owned} objects that the inventory owns is in {actual}")]
    NothingLives {
        /// How many it owns.
        n_owned: usize,
        /// The endpoint that is looked at.
        actual: String,
    },
}

impl Inventory {
    /// Returns why this inventory does not look like one of the workspace at `endpoint`; `None` if it does.
    ///
    /// Under one endpoint another key may lead to another workspace, where objects have other ids. What the server was
    /// going to delete by itself is no evidence.
    pub fn stranger_to(&self, endpoint: &str, world: &World) -> Option<Stranger> {
        let actual = || endpoint.to_owned();
        if let Some(recorded) = self.endpoint.as_deref().filter(|recorded| *recorded != endpoint) {
            return Some(Stranger::OtherEndpoint { recorded: recorded.to_owned(), actual: actual() });
        }
        let seen = self.iter().filter(|(key, _)| world.speaks(key.kind));
        let lasting = seen.filter(|(_, entry)| entry.standing == Standing::Owned && !entry.may_have_ended(world.now));
        let mut n_owned = 0;
        for (key, id) in lasting.filter_map(|(key, entry)| Some((key, entry.id.as_ref()?))) {
            if world.by_id(key.kind, id).is_some() {
                return None;
            }
            n_owned += 1;
        }
        (n_owned >= MIN_GONE).then(|| Stranger::NothingLives { n_owned, actual: actual() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{self, Health, Key, Live};
    use crate::reconcile::inventory::{Effect, Entry};
    use crate::types::{Name, ObjectId, Timestamp};

    fn live(name: &str, id: &str) -> Live {
        let kind = kinds::all().next().unwrap();
        Live {
            key: Key { kind, name: Name::parse(name).unwrap() },
            id: Some(ObjectId::new(id)),
            spec: Ok(kinds::spec_from_json(kind, &serde_json::json!({"size": "1Gi"})).unwrap()),
            health: Health::Good,
            created_at: None,
            expires_at: None,
            mark: None,
            build: None,
            extra: serde_json::Map::new(),
        }
    }

    fn inventory(objects: &[(&str, &str)], expires_at: Option<i64>) -> Inventory {
        let mut inventory = Inventory { endpoint: Some("http://a".to_owned()), ..Inventory::default() };
        for (name, id) in objects {
            let live = live(name, id);
            let entry = Entry {
                id: live.id.clone(),
                standing: Standing::Owned,
                applied: live.spec.clone().unwrap().into(),
                lifecycle: kinds::Lifecycle::default(),
                labels: crate::types::Labels::new(),
                source: None,
                expires_at: expires_at.and_then(Timestamp::from_microseconds),
                extra: serde_json::Map::new(),
            };
            inventory.apply(Effect::Put { key: live.key, entry });
        }
        inventory
    }

    #[test]
    fn another_workspace_is_told_from_one_that_lost_something() {
        let world = |objects: &[(&str, &str)]| {
            let now = Timestamp::from_microseconds(1_000_000).unwrap();
            World::new(objects.iter().map(|(name, id)| live(name, id)), now)
        };
        let two = inventory(&[("a", "1"), ("b", "2")], None);
        assert_eq!(two.stranger_to("http://a", &world(&[("a", "1")])), None);
        assert_eq!(two.stranger_to("http://a", &world(&[("renamed", "2")])), None);
        let gone = |actual: &str| Some(Stranger::NothingLives { n_owned: 2, actual: actual.to_owned() });
        assert_eq!(two.stranger_to("http://a", &world(&[("a", "9"), ("b", "8")])), gone("http://a"));
        assert_eq!(two.stranger_to("http://a", &world(&[])), gone("http://a"));
        assert_eq!(inventory(&[("a", "1")], None).stranger_to("http://a", &world(&[])), None, "it was deleted");
        let expired = inventory(&[("a", "1"), ("b", "2")], Some(999_999));
        assert_eq!(expired.stranger_to("http://a", &world(&[])), None, "they ended by themselves");
        let other = two.stranger_to("http://b", &world(&[("a", "1")])).unwrap();
        assert_eq!(other.to_string(), "the inventory was recorded for http://a, and this is http://b");
        assert_eq!(Inventory::default().stranger_to("http://b", &world(&[])), None);
    }
}
