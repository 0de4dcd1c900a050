//! The pages of a workspace as they came over the wire, and what it costs to decode them and nothing else.

use std::hint::black_box;
use std::time::Duration;

use sbx::wire::{PoolList, SandboxList, TemplateList, VolumeList};

use crate::measure::cpu_times;
use crate::server::request;

/// The page that the client asks for.
const LIMIT: usize = 500;

/// How often the pages are decoded, as the kernel's clock is coarse.
const REPETITIONS: u32 = 50;

/// The answers to all list calls of one plan.
#[derive(Default)]
pub(crate) struct Pages {
    volumes: Vec<Vec<u8>>,
    templates: Vec<Vec<u8>>,
    pools: Vec<Vec<u8>>,
    sandboxes: Vec<Vec<u8>>,
    n_objects: usize,
}

/// Reads the workspace of a server to the end.
pub(crate) fn fetch(address: &str) -> Result<Pages, String> {
    let mut n_objects = 0;
    let mut all = |kind: &str, count: fn(&[u8]) -> usize| -> Result<Vec<Vec<u8>>, String> {
        let mut pages = Vec::new();
        loop {
            let offset = pages.len() * LIMIT;
            let page = request(address, "GET", &format!("/v2/sandboxes/{kind}?limit={LIMIT}&offset={offset}"), "")?;
            let found = count(&page);
            n_objects += found;
            pages.push(page);
            if found < LIMIT {
                return Ok(pages);
            }
        }
    };
    let volumes = all("volumes", |page| decode::<VolumeList>(page).volumes.len())?;
    let templates = all("templates", |page| decode::<TemplateList>(page).templates.len())?;
    let pools = all("pools", |page| decode::<PoolList>(page).pools.len())?;
    let sandboxes = all("boxes", |page| decode::<SandboxList>(page).sandboxes.len())?;
    Ok(Pages { volumes, templates, pools, sandboxes, n_objects })
}

impl Pages {
    /// Returns how many pages there are.
    pub(crate) fn len(&self) -> usize {
        self.volumes.len() + self.templates.len() + self.pools.len() + self.sandboxes.len()
    }

    /// Returns how many objects are on them.
    pub(crate) fn n_objects(&self) -> usize {
        self.n_objects
    }

    /// Returns the user CPU time of decoding all pages once.
    pub(crate) fn decoding_cpu(&self) -> Duration {
        let user = || cpu_times(std::process::id()).0;
        let start = user();
        for _ in 0..REPETITIONS {
            self.volumes.iter().for_each(|page| drop(black_box(decode::<VolumeList>(page))));
            self.templates.iter().for_each(|page| drop(black_box(decode::<TemplateList>(page))));
            self.pools.iter().for_each(|page| drop(black_box(decode::<PoolList>(page))));
            self.sandboxes.iter().for_each(|page| drop(black_box(decode::<SandboxList>(page))));
        }
        user().saturating_sub(start) / REPETITIONS
    }
}

fn decode<T: serde::de::DeserializeOwned>(page: &[u8]) -> T {
    serde_json::from_slice(page).expect("our own server answers what our own types describe")
}
