//! A live state that is written down, so that it can be planned against where there is neither a key nor a network.
//!
//! No secret is written: of fields that this version does not know, which may hold any, only the names are.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::World;
use super::inventory::{Deed, Inventory};
use crate::kinds::{
    self, ApiVersion, Build, Capacity, Health, Key, KindId, Live, Mark, Misnamed, Reference, Unreadable,
};
use crate::types::{ObjectId, Timestamp};

/// What the document says that it is.
const FORMAT: &str = "sbx.observation";

/// A live state, with where it was read.
#[derive(Debug, Clone)]
pub struct Observation {
    /// What was live, and what was known of it.
    pub world: World,
    /// The workspace that it was read from.
    pub endpoint: String,
    /// The version of `sbx` that wrote it down.
    pub sbx_version: String,
}

/// Why a document cannot be read as an observation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObservationError {
    /// It is something else.
    #[error("this is no live state that was saved")]
    NotAnObservation,
    /// A later version wrote it.
    #[error("it was saved in format {found}, and this version reads format {known} at most")]
    NewerFormat {
        /// Its format.
        found: u64,
        /// The last format that this version knows.
        known: u32,
    },
    /// It was one, and a part of it makes no sense.
    #[error("it is damaged: {why}")]
    Damaged {
        /// Where, and what is wrong there.
        why: String,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    format: String,
    format_version: u32,
    sbx_version: String,
    endpoint: String,
    observed_at: Timestamp,
    objects: Vec<LiveDocument>,
    misnamed: Vec<Named>,
    /// The kinds that the server was asked for and has. What an early version wrote does not say: it knew one version's.
    kinds: Option<Vec<String>>,
    capacity: Option<Capacity>,
    inventory: Option<Json>,
    siblings: Vec<SiblingDocument>,
    /// Who we are in the marks of objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Arc<str>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Named {
    kind: String,
    name: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct LiveDocument {
    kind: String,
    name: String,
    id: Option<ObjectId>,
    spec: Option<Json>,
    unreadable: Option<String>,
    references: Vec<Named>,
    health: HealthDocument,
    created_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<MarkDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<BuildDocument>,
    /// The names alone.
    extra: Vec<String>,
}

/// Whose an object is, as it says itself.
#[derive(Debug, Serialize, Deserialize)]
struct MarkDocument {
    owner: Arc<str>,
    object: Arc<str>,
    spec_hash: Option<Arc<str>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "state", content = "message", rename_all = "snake_case")]
enum HealthDocument {
    Good,
    Stopped,
    Pending(String),
    Failed(String),
}

#[derive(Debug, Serialize, Deserialize)]
struct SiblingDocument {
    kind: String,
    id: ObjectId,
    owner: String,
}

impl Observation {
    /// The version of the written form, and the last that is read.
    pub const FORMAT_VERSION: u32 = 1;

    /// Returns the written form.
    ///
    /// # Panics
    ///
    /// Never: the document is plain data with text keys.
    pub fn to_json(&self) -> Json {
        serde_json::to_value(Document::of(self)).expect("the document is plain data with text keys")
    }

    /// Reads the written form.
    ///
    /// # Errors
    ///
    /// Each variant of [`ObservationError`].
    pub fn from_json(json: &Json) -> Result<Self, ObservationError> {
        if json.get("format").and_then(Json::as_str) != Some(FORMAT) {
            return Err(ObservationError::NotAnObservation);
        }
        let damaged = |why: String| ObservationError::Damaged { why };
        match json.get("format_version").and_then(Json::as_u64) {
            Some(found) if found > u64::from(Self::FORMAT_VERSION) => {
                return Err(ObservationError::NewerFormat { found, known: Self::FORMAT_VERSION });
            }
            Some(_) => {}
            None => return Err(damaged("`format_version` is missing".to_owned())),
        }
        let document: Document = serde_path_to_error::deserialize(json).map_err(|error| damaged(error.to_string()))?;
        document.into_observation().map_err(damaged)
    }
}

impl Document {
    fn of(observation: &Observation) -> Self {
        let Observation { world, endpoint, sbx_version } = observation;
        let named = |object: &Misnamed| Named { kind: word(object.kind), name: object.name.clone() };
        let mut siblings: Vec<_> = world.siblings.iter().map(SiblingDocument::of).collect();
        siblings.sort_by(|a, b| (&a.kind, &a.id).cmp(&(&b.kind, &b.id)));
        Self {
            format: FORMAT.to_owned(),
            format_version: Observation::FORMAT_VERSION,
            sbx_version: sbx_version.clone(),
            endpoint: endpoint.clone(),
            observed_at: world.now,
            objects: world.iter().map(LiveDocument::of).collect(),
            misnamed: world.misnamed.iter().map(named).collect(),
            kinds: Some(kinds::all().filter(|kind| world.speaks(*kind)).map(word).collect()),
            capacity: world.capacity,
            inventory: world.inventory.as_deref().map(inventory_to_json),
            siblings,
            owner: world.owner.clone(),
        }
    }

    fn into_observation(self) -> Result<Observation, String> {
        let objects = self.objects.into_iter().map(LiveDocument::into_live).collect::<Result<Vec<_>, _>>()?;
        let mut world = World::new(objects, self.observed_at);
        let was_seen = |kind: &KindId| match &self.kinds {
            Some(kinds) => kinds.contains(&word(*kind)),
            None => kind.info().api_version == ApiVersion::V1,
        };
        world.unspoken = kinds::all().filter(|kind| !was_seen(kind)).collect();
        world.owner = self.owner;
        for SiblingDocument { kind, id, owner } in self.siblings {
            world.siblings.insert((kind_of(&kind)?, id), owner.into());
        }
        if let Some(inventory) = self.inventory {
            let inventory = Inventory::from_text(&inventory.to_string()).map_err(|error| error.to_string())?;
            world = world.with_inventory(&inventory);
        }
        for Named { kind, name } in self.misnamed {
            world.misnamed.push(Misnamed { kind: kind_of(&kind)?, name });
        }
        world.capacity = self.capacity;
        Ok(Observation { world, endpoint: self.endpoint, sbx_version: self.sbx_version })
    }
}

/// Returns an inventory without the values that a replacement is still to take over from an object that is gone.
fn inventory_to_json(inventory: &Inventory) -> Json {
    let mut inventory = inventory.clone();
    for intent in &mut inventory.intents {
        if let Deed::Create { carry, .. } = &mut intent.deed {
            carry.values_mut().for_each(|value| *value = Json::Null);
        }
    }
    serde_json::from_str(&inventory.to_text()).expect("the written form of an inventory is JSON")
}

impl LiveDocument {
    fn of(live: &Live) -> Self {
        let named = |reference: &Reference| Named { kind: word(reference.kind), name: reference.name.to_string() };
        Self {
            kind: word(live.key.kind),
            name: live.key.name.to_string(),
            id: live.id.clone(),
            spec: live.spec.as_ref().ok().map(kinds::spec_to_json),
            unreadable: live.spec.as_ref().err().map(|unreadable| unreadable.why.clone()),
            references: live.references().map(named).collect(),
            health: match &live.health {
                Health::Good => HealthDocument::Good,
                Health::Stopped => HealthDocument::Stopped,
                Health::Pending(status) => HealthDocument::Pending(status.clone()),
                Health::Failed(message) => HealthDocument::Failed(message.clone()),
            },
            created_at: live.created_at,
            expires_at: live.expires_at,
            mark: live.mark.as_ref().map(MarkDocument::of),
            build: live.build.clone().map(|Build { source, digest }| BuildDocument { source, digest }),
            extra: live.extra.keys().cloned().collect(),
        }
    }

    fn into_live(self) -> Result<Live, String> {
        let kind = kind_of(&self.kind)?;
        let name = kind.name(&self.name).map_err(|error| format!("`{}` is not a name: {error}", self.name))?;
        let mut references = Vec::new();
        for Named { kind, name } in self.references {
            references.push(Reference { kind: kind_of(&kind)?, name: name.into() });
        }
        // What a server has and no manifest may say is as unreadable here as it would be to a plan.
        let spec = match (self.spec, self.unreadable) {
            (Some(spec), _) => kinds::spec_from_json(kind, &spec),
            (None, why) => Err(why.unwrap_or_else(|| "it has no spec".to_owned())),
        };
        Ok(Live {
            key: Key { kind, name },
            id: self.id,
            spec: spec.map_err(|why| Unreadable { why, references }),
            health: match self.health {
                HealthDocument::Good => Health::Good,
                HealthDocument::Stopped => Health::Stopped,
                HealthDocument::Pending(status) => Health::Pending(status),
                HealthDocument::Failed(message) => Health::Failed(message),
            },
            created_at: self.created_at,
            expires_at: self.expires_at,
            mark: self.mark.map(MarkDocument::into_mark),
            build: self.build.map(|BuildDocument { source, digest }| Build { source, digest }),
            extra: self.extra.into_iter().map(|name| (name, Json::Null)).collect::<Map<_, _>>(),
        })
    }
}

/// What an object was built from.
#[derive(Debug, Serialize, Deserialize)]
struct BuildDocument {
    source: Arc<str>,
    digest: Arc<str>,
}

impl MarkDocument {
    fn of(mark: &Mark) -> Self {
        let Mark { owner, object, spec_hash } = mark.clone();
        Self { owner, object, spec_hash }
    }

    fn into_mark(self) -> Mark {
        let Self { owner, object, spec_hash } = self;
        Mark { owner, object, spec_hash }
    }
}

impl SiblingDocument {
    fn of(((kind, id), owner): (&(KindId, ObjectId), &Arc<str>)) -> Self {
        Self { kind: word(*kind), id: id.clone(), owner: owner.to_string() }
    }
}

fn word(kind: KindId) -> String {
    kind.recorded_as()
}

fn kind_of(word: &str) -> Result<KindId, String> {
    KindId::from_record(word).ok_or_else(|| format!("there is no kind `{word}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::{POOL, TEMPLATE, VOLUME};
    use crate::reconcile::inventory::{Entry, Intent};

    const SECRET: &str = "planted-secret";

    fn at() -> Timestamp {
        "2026-03-24T12:00:00Z".parse().unwrap()
    }

    fn live(kind: KindId, name: &str, spec: &Json) -> Live {
        Live {
            key: Key { kind, name: name.parse().unwrap() },
            id: Some(ObjectId::new(format!("id-{name}"))),
            spec: Ok(kinds::spec_from_json(kind, spec).unwrap()),
            health: Health::Good,
            created_at: Some(at()),
            expires_at: None,
            mark: None,
            build: None,
            extra: Map::from_iter([("proxy_config".to_owned(), json!({"headers": {"authorization": SECRET}}))]),
        }
    }

    fn intent(key: Key, spec: &Json) -> Intent {
        let spec = kinds::spec_from_json(key.kind, spec).unwrap();
        let text = format!("{}", kinds::to_manifest(&key.name, &spec));
        let input = crate::manifest::Input::Text { name: "a".to_owned(), text };
        let mut diagnostics = crate::manifest::Diagnostics::new();
        let (documents, _) = crate::manifest::load(&[input], &crate::manifest::Limits::default());
        let object = kinds::decode(&documents, &mut diagnostics).remove(0);
        let carry = Map::from_iter([("proxy_config".to_owned(), json!(SECRET))]);
        Intent { key, deed: Deed::Create { spec, carry }, entry: Entry::of(&object, None), becomes: None, at: at() }
    }

    fn observation() -> Observation {
        let template = live(TEMPLATE, "t", &json!({"image": "a", "resources": {"storage": "4Gi"}}));
        let pool = live(POOL, "p", &json!({"template_name": "t", "replicas": 3}));
        let pool = Live { health: Health::Failed("no image".to_owned()), expires_at: Some(at()), ..pool };
        let reference = Reference { kind: VOLUME, name: "v".into() };
        let unreadable = Unreadable { why: "its CPU".to_owned(), references: vec![reference] };
        let odd = Live { spec: Err(unreadable), ..live(TEMPLATE, "odd", &json!({"image": "a"})) };
        let mut world = World::new([template, pool, odd, live(VOLUME, "v", &json!({"size": "1Gi"}))], at());
        world.misnamed.push(Misnamed { kind: VOLUME, name: "Not A Name".to_owned() });
        world.siblings.insert((VOLUME, ObjectId::new("id-v")), "theirs".into());
        world.capacity = Some(Capacity::default());
        let mut inventory = Inventory::default();
        inventory.intents = vec![intent(Key { kind: TEMPLATE, name: "gone".parse().unwrap() }, &json!({"image": "b"}))];
        // Not settled, so that it is as bad as it can be.
        world.inventory = Some(Arc::new(inventory));
        Observation { world, endpoint: "https://a".to_owned(), sbx_version: "1".to_owned() }
    }

    #[test]
    fn what_is_written_reads_as_it_was() {
        let written = observation().to_json();
        let read = Observation::from_json(&written).unwrap();
        assert_eq!(read.to_json()["objects"], written["objects"]);
        for part in ["misnamed", "siblings", "capacity", "observed_at", "endpoint"] {
            assert_eq!(read.to_json()[part], written[part], "{part}");
        }
        assert!(read.world.inventory.is_some());
        let key = |kind, name: &str| Key { kind, name: name.parse().unwrap() };
        let odd = read.world.get(&key(TEMPLATE, "odd")).unwrap();
        assert_eq!(odd.spec.as_ref().unwrap_err().why, "its CPU");
        assert_eq!(read.world.holders(&key(VOLUME, "v")).count(), 1);
        let (before, now) = (observation(), read.world.get(&key(POOL, "p")).unwrap().clone());
        let before = before.world.get(&key(POOL, "p")).unwrap();
        assert_eq!((now.spec.as_ref(), &now.health), (before.spec.as_ref(), &before.health));
        assert_eq!((now.id, now.created_at, now.expires_at), (before.id.clone(), before.created_at, before.expires_at));
    }

    #[test]
    fn no_value_of_an_unknown_field_is_written() {
        let written = observation().to_json().to_string();
        assert!(!written.contains(SECRET), "{written}");
        assert_eq!(written.matches("proxy_config").count(), 5, "the names are: {written}");
    }

    #[test]
    fn what_is_no_observation_says_so() {
        let error = |json: Json| Observation::from_json(&json).unwrap_err().to_string();
        assert_eq!(error(json!({"format": "sbx.plan"})), "this is no live state that was saved");
        let newer = json!({"format": FORMAT, "format_version": 2});
        assert_eq!(error(newer), "it was saved in format 2, and this version reads format 1 at most");
        let mut damaged = observation().to_json();
        damaged["objects"][0]["kind"] = json!("Snapshot");
        assert_eq!(error(damaged), "it is damaged: there is no kind `Snapshot`");
        let mut damaged = observation().to_json();
        damaged["objects"][0]["name"] = json!("A B");
        assert!(error(damaged).starts_with("it is damaged: `A B` is not a name: "));
    }
}
