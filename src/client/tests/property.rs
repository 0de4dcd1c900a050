//! Whatever the wire does to a call, its result tells the truth about its effect.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::name;
use crate::client::{
    Client, Config, CreateSnapshotOptions, CreateVolumeOptions, Error, Kind, Limits, Transport, TransportError,
    UpdateVolumeOptions,
};

/// What the wire does to one request.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Delivered,
    /// The server is never reached.
    Refused,
    /// The server turns the request away without doing anything.
    TurnedAway(u16),
    /// The request is lost on the way.
    Lost,
    /// The answer is lost on the way back.
    AnswerLost,
    /// Something between answers in the server's place, which has done its work or not.
    Gateway(u16, bool),
}

impl Fate {
    /// Returns what the client gets to see of a request that `serve` would answer.
    fn befall(self, serve: impl FnOnce() -> Response<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let source = || std::io::Error::other("the wire").into();
        match self {
            Self::Delivered => Ok(serve()),
            Self::Refused => Err(TransportError::Connect { source: source() }),
            Self::TurnedAway(status) => {
                let mut response = reply(status, &Value::Null);
                response.headers_mut().insert("retry-after", 1.into());
                Ok(response)
            }
            Self::Lost => Err(TransportError::Timeout),
            Self::AnswerLost => {
                serve();
                Err(TransportError::Dropped { source: source() })
            }
            Self::Gateway(status, done) => {
                if done {
                    serve();
                }
                Ok(reply(status, &Value::Null))
            }
        }
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Delivered),
        1 => Just(Fate::Refused),
        1 => prop_oneof![Just(429), Just(503)].prop_map(Fate::TurnedAway),
        2 => Just(Fate::Lost),
        2 => Just(Fate::AnswerLost),
        2 => (prop_oneof![Just(500), Just(502), Just(503), Just(504)], any::<bool>())
            .prop_map(|(status, done)| Fate::Gateway(status, done)),
    ]
}

/// The volumes of a workspace: names to sizes.
type Volumes = BTreeMap<String, String>;

/// A server of volumes behind a wire on which each request meets the next fate; later ones are delivered.
struct Wire {
    volumes: Mutex<Volumes>,
    fates: Mutex<std::vec::IntoIter<Fate>>,
}

impl Wire {
    fn volumes(&self) -> Volumes {
        self.volumes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn serve(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let name = request.uri().path().strip_prefix("/volumes/").unwrap_or_default();
        let text = |key: &str| body[key].as_str().map(ToOwned::to_owned);
        let mut volumes = self.volumes.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, shown) = match *request.method() {
            Method::POST => {
                let name = text("name").expect("a create has a name");
                if volumes.contains_key(&name) {
                    return reply(409, &Value::Null);
                }
                volumes.insert(name.clone(), text("size").expect("a create has a size"));
                (201, name)
            }
            _ if !volumes.contains_key(name) => return reply(404, &Value::Null),
            Method::PATCH => {
                let new_name = text("name").unwrap_or_else(|| name.to_owned());
                if new_name != name && volumes.contains_key(&new_name) {
                    return reply(409, &Value::Null);
                }
                let size = volumes.remove(name).expect("it is there");
                volumes.insert(new_name.clone(), text("size").unwrap_or(size));
                (200, new_name)
            }
            Method::DELETE => {
                volumes.remove(name);
                return reply(204, &Value::Null);
            }
            _ => (200, name.to_owned()),
        };
        reply(status, &json!({"name": shown, "size": volumes[&shown]}))
    }
}

fn reply(status: u16, body: &Value) -> Response<Bytes> {
    Response::builder().status(status).body(body.to_string().into()).expect("a plain response")
}

impl Transport for Wire {
    fn send(&self, request: Request<Bytes>, _: Limits) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let fate = self.fates.lock().unwrap_or_else(PoisonError::into_inner).next().unwrap_or(Fate::Delivered);
        let result = fate.befall(|| self.serve(&request));
        async move { result }.boxed()
    }
}

/// A write, on a workspace that may hold `v` and `w` already.
#[derive(Debug, Clone, Copy)]
enum Write {
    Create,
    Grow,
    Rename,
    Delete,
}

impl Write {
    async fn run(self, client: &Client) -> Result<(), Error> {
        let size = "10Gi".parse().expect("a quantity");
        let options = UpdateVolumeOptions::default();
        match self {
            Self::Create => client.create_volume(&name("v"), &size, CreateVolumeOptions::default()).await.map(drop),
            Self::Grow => client.update_volume("v", options.size(size)).await.map(drop),
            Self::Rename => client.update_volume("v", options.new_name(name("w"))).await.map(drop),
            Self::Delete => client.delete_volume("v").await,
        }
    }

    /// Returns what the workspace is to be afterwards.
    fn goal(self, mut volumes: Volumes) -> Volumes {
        match self {
            Self::Create | Self::Grow => _ = volumes.insert("v".to_owned(), "10Gi".to_owned()),
            Self::Rename => {
                let size = volumes.remove("v").expect("a rename succeeds only on what is there");
                volumes.insert("w".to_owned(), size);
            }
            Self::Delete => _ = volumes.remove("v"),
        }
        volumes
    }
}

proptest! {
    #[test]
    fn a_result_tells_the_truth(
        write in prop_oneof![Just(Write::Create), Just(Write::Grow), Just(Write::Rename), Just(Write::Delete)],
        v in prop_oneof![Just(None), Just(Some("10240Mi")), Just(Some("5Gi"))],
        w in prop_oneof![2 => Just(None), 1 => Just(Some("1Gi"))],
        fates in proptest::collection::vec(fate(), 0..12),
    ) {
        // Ids would tell a rename that was done from one of nothing to a name that another volume has; in its place
        // stands whoever asks for a rename, having seen the volume.
        prop_assume!(!matches!((write, v, w), (Write::Rename, None, Some(_))));
        let owned = |(name, size): (&str, Option<&str>)| Some((name.to_owned(), size?.to_owned()));
        let before: Volumes = [("v", v), ("w", w)].into_iter().filter_map(owned).collect();
        let wire = Arc::new(Wire { volumes: Mutex::new(before.clone()), fates: Mutex::new(fates.into_iter()) });
        let client = Client::with_transport(Config::new("http://server"), wire.clone()).expect("a good configuration");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let result = runtime.expect("a runtime").block_on(write.run(&client));

        let after = wire.volumes();
        match result {
            Ok(()) => {
                let sizes = |volumes: Volumes| -> BTreeMap<String, u64> {
                    let bytes = |size: String| size.parse::<crate::types::ByteSize>().expect("a quantity").bytes();
                    volumes.into_iter().map(|(name, size)| (name, bytes(size))).collect()
                };
                prop_assert_eq!(sizes(after), sizes(write.goal(before)));
            }
            Err(error) if error.is_ambiguous() => {}
            Err(error) => {
                prop_assert!(error.kind() != Kind::InvalidBody);
                prop_assert_eq!(after, before, "{:?}", error);
            }
        }
    }
}

/// What a tag points to, and how many snapshots there were ever: their ids are numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tag {
    points_to: Option<u32>,
    n_snapshots: u32,
}

/// A server of snapshots under one tag, all of the same image.
struct Publisher {
    tag: Mutex<Tag>,
    fates: Mutex<std::vec::IntoIter<Fate>>,
}

impl Publisher {
    fn serve(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let mut tag = self.tag.lock().unwrap_or_else(PoisonError::into_inner);
        if *request.method() == Method::POST {
            tag.n_snapshots += 1;
            tag.points_to = Some(tag.n_snapshots);
        }
        match tag.points_to {
            Some(id) => {
                let id = id.to_string();
                reply(200, &json!({"id": id, "status": "ready", "docker_image": "i", "fs_capacity_bytes": 1}))
            }
            None => reply(404, &json!({"detail": {"error": "NotFound"}})),
        }
    }
}

impl Transport for Publisher {
    fn send(&self, request: Request<Bytes>, _: Limits) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let fate = self.fates.lock().unwrap_or_else(PoisonError::into_inner).next().unwrap_or(Fate::Delivered);
        let result = fate.befall(|| self.serve(&request));
        async move { result }.boxed()
    }
}

proptest! {
    #[test]
    fn a_snapshot_is_published_once_under_a_tag_that_moves(
        stands_there in any::<bool>(),
        fates in proptest::collection::vec(fate(), 0..12),
    ) {
        let before = Tag { points_to: stands_there.then_some(1), n_snapshots: u32::from(stands_there) };
        let server = Arc::new(Publisher { tag: Mutex::new(before), fates: Mutex::new(fates.into_iter()) });
        let client = Client::with_transport(Config::new("http://server"), server.clone()).expect("a good configuration");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let size = "1".parse().expect("a quantity");
        let create = client.create_snapshot("n", "i", &size, CreateSnapshotOptions::default());
        let result = runtime.expect("a runtime").block_on(create);

        let after = *server.tag.lock().unwrap_or_else(PoisonError::into_inner);
        let n = before.n_snapshots + 1;
        match result {
            Ok(snapshot) => {
                prop_assert_eq!(after, Tag { points_to: Some(n), n_snapshots: n });
                prop_assert_eq!(snapshot.id.map(|id| id.to_string()), Some(n.to_string()));
            }
            // Nobody knows, but it was not done twice.
            Err(error) if error.is_ambiguous() => prop_assert!(after.n_snapshots <= n, "{:?}", after),
            Err(error) => prop_assert_eq!(after, before, "{:?}", error),
        }
    }
}
