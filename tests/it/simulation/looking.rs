//! What is recorded and missing is looked for again, and no list is believed alone.

use std::num::NonZeroUsize;

use sbx::kinds;
use sbx::types::Name;

use super::faults::Fault;
use super::invariants::policy;
use super::recorded::{Disk, Writes};
use super::workspace::{Attempt, Workspace, desired};

/// The record, four lists and the usage come first.
const SECOND_LIST: usize = 6;

#[tokio::test]
async fn what_one_list_had_is_not_gone_because_a_second_one_is_older() {
    let (workspace, disk) = (Workspace::open(0).await, Disk::new());
    let declared = desired(
        "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: renamed}, spec: {size: 1Gi}}
---
{apiVersion: sbx/v1, kind: Volume, metadata: {name: deleted}, spec: {size: 1Gi}}
",
    );
    let one = NonZeroUsize::new(1).expect("1 is not 0");
    let attempt = disk.attempt(&workspace, &declared, &policy(), one, Writes::AtOnce).await;
    assert_eq!(attempt, Attempt::Complete);
    let client = workspace.client();
    let to = Name::parse("elsewhere").expect("a good name");
    kinds::VOLUME.rename(client, &Name::parse("renamed").expect("a good name"), &to).await.expect("the name is free");
    client.delete_volume("deleted").await.expect("nothing holds it");

    // The list is read again for what was deleted, and the answer is as old as the workspace: empty.
    workspace.begin(Some((SECOND_LIST, Fault::Stale)));
    let world = disk.world(&workspace).await;
    workspace.begin(None);
    let names: Vec<_> = world.iter().map(|live| live.key.to_string()).collect();
    assert_eq!(names, ["volume/elsewhere"]);
}
