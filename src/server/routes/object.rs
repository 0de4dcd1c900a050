//! What requests for one object have in common.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use percent_encoding::percent_decode_str;

/// The name in the path: the segment after the collection, decoded.
///
/// It is taken from the path rather than from the router's parameter, because an object may be called `batch-delete`,
/// which is a route of its own.
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        // The prefix of the API is already stripped: `/volumes/{name}`, or more behind it.
        let segment = parts.uri.path().split('/').nth(2).unwrap_or_default();
        Ok(Self(percent_decode_str(segment).decode_utf8_lossy().into_owned()))
    }
}

/// Whether a fault rule keeps what the request creates from becoming ready.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Held(pub(crate) bool);

impl<S: Send + Sync> FromRequestParts<S> for Held {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get().copied().unwrap_or_default())
    }
}

/// Why a fault rule lets what the request creates fail to be built.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failing(pub(crate) Option<Arc<str>>);

impl<S: Send + Sync> FromRequestParts<S> for Failing {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}
