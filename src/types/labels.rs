//! Labels of a manifest.

use std::collections::BTreeMap;

/// Labels or annotations of a manifest: text keys to text values, in key order.
///
/// They are local to `sbx`; this generation of the API has no place for them.
pub type Labels = BTreeMap<String, String>;
