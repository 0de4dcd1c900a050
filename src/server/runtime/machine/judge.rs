//! What facts about a machine mean, as a function of them.

use std::path::Path;

use super::super::namespace::limits::{Hold, Limits, Resource};
use super::Finding;
use super::facts::Facts;

/// All numbers that 32 bits have, but the one that means none: a machine's own user namespace has them.
const ALL_USERS: u64 = u32::MAX as u64;

/// Since when mounts of other owners can be layers of an overlay, and since when users may have overlays at all.
const IDMAPPED_LAYERS: (u32, u32) = (5, 19);
const OVERLAYS_OF_USERS: (u32, u32) = (5, 11);

/// Judges a machine: first what matters, then why.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![sandboxes(facts), user_namespaces(facts), overlayfs(facts)];
    findings.extend(idmapped_mounts(facts));
    findings.push(seccomp(facts));
    if let Ok(limits) = &facts.trial {
        findings.extend(Resource::ALL.into_iter().map(|resource| limit(limits, resource)));
    }
    findings
}

fn good(name: &'static str, text: impl Into<String>) -> Finding {
    Finding { name, is_good: true, text: text.into(), hint: None }
}

fn bad(name: &'static str, text: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { name, is_good: false, text: text.into(), hint: Some(hint.into()) }
}

fn sandboxes(facts: &Facts) -> Finding {
    const NAME: &str = "sandboxes";
    let user = if facts.is_root { "root" } else { "an ordinary user" };
    match &facts.trial {
        Ok(_) => good(NAME, format!("one was started for a trial, as {user}")),
        Err(reason) => {
            let text = format!("none can be started, as {user}: {reason}");
            Finding { name: NAME, is_good: false, text, hint: None }
        }
    }
}

fn user_namespaces(facts: &Facts) -> Finding {
    const NAME: &str = "namespaces";
    if facts.max_user_namespaces == Some(0) {
        return bad(
            NAME,
            "user namespaces are switched off: `user.max_user_namespaces` is 0",
            "as root, `sysctl -w user.max_user_namespaces=15000`, and the same in a file of /etc/sysctl.d for the next boot",
        );
    }
    if facts.is_root {
        return namespaces_of_root(facts);
    }
    if facts.unprivileged_user_namespaces == Some(0) {
        return bad(
            NAME,
            "user namespaces are root's only: `kernel.unprivileged_userns_clone` is 0",
            "as root, `sysctl -w kernel.unprivileged_userns_clone=1`, and the same in a file of /etc/sysctl.d for the next boot",
        );
    }
    // A profile that is there already shows in the trial.
    if facts.apparmor_restricts == Some(1) && facts.trial.is_err() {
        return bad(
            NAME,
            "AppArmor lets only programs with a profile make user namespaces, as Ubuntu has it since 23.10",
            format!("as root, {}", install_profile(&facts.program)),
        );
    }
    good(NAME, "an ordinary user can make them")
}

fn namespaces_of_root(facts: &Facts) -> Finding {
    const NAME: &str = "namespaces";
    if !facts.has_admin {
        return bad(
            NAME,
            "this is root without CAP_SYS_ADMIN, as in a container",
            "start the container with `--privileged`, or run sbx as a user outside of it",
        );
    }
    if facts.users < ALL_USERS {
        return bad(
            NAME,
            format!("this is root of a user namespace with {} users, of which sandboxes get none", facts.users),
            "run sbx as an ordinary user, or as root of the machine",
        );
    }
    good(NAME, "root can make them")
}

/// Returns the command that installs a profile which lets a program have user namespaces.
fn install_profile(program: &Path) -> String {
    let profile = format!("abi <abi/4.0>, profile sbx {} flags=(unconfined) {{ userns, }}", program.display());
    format!("`echo '{profile}' > /etc/apparmor.d/sbx && apparmor_parser -r /etc/apparmor.d/sbx`")
}

fn overlayfs(facts: &Facts) -> Finding {
    const NAME: &str = "overlayfs";
    if facts.trial.is_ok() {
        return good(NAME, "it works");
    }
    if !facts.has_overlay {
        return bad(NAME, "the kernel has none, or has not loaded it", "as root, `modprobe overlay`");
    }
    match facts.kernel {
        Some(kernel) if !facts.is_root && kernel < OVERLAYS_OF_USERS => too_old(NAME, kernel, OVERLAYS_OF_USERS),
        _ => good(NAME, "the kernel has it"),
    }
}

/// Only root needs them: a user's sandboxes have one user, the same as outside.
fn idmapped_mounts(facts: &Facts) -> Option<Finding> {
    const NAME: &str = "idmapping";
    let kernel = facts.kernel.filter(|_| facts.is_root)?;
    Some(if facts.trial.is_ok() {
        good(NAME, "mounts can have other owners inside, also below an overlay")
    } else if kernel < IDMAPPED_LAYERS {
        too_old(NAME, kernel, IDMAPPED_LAYERS)
    } else {
        good(NAME, "the kernel has it; the file system of the data may not")
    })
}

fn too_old(name: &'static str, (major, minor): (u32, u32), (wanted, part): (u32, u32)) -> Finding {
    bad(name, format!("Linux {major}.{minor} is too old"), format!("Linux {wanted}.{part} or newer has it"))
}

fn seccomp(facts: &Facts) -> Finding {
    const NAME: &str = "seccomp";
    if facts.has_seccomp || facts.trial.is_ok() {
        return good(NAME, "system calls can be filtered");
    }
    bad(NAME, "the kernel filters no system calls", "a kernel with CONFIG_SECCOMP_FILTER has it")
}

fn limit(limits: &Limits, resource: Resource) -> Finding {
    let name = resource.as_str();
    match limits.of(resource) {
        Hold::Enforced(means) => good(name, format!("limits are enforced, by {means}")),
        Hold::Not { reason, remedy } => Finding {
            name,
            is_good: false,
            text: format!("limits are not enforced: {reason}"),
            hint: remedy.map(str::to_owned),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> Limits {
        let hold = || Hold::Enforced("a control group of version 2");
        Limits { memory: hold(), cpu: hold(), processes: hold(), storage: hold() }
    }

    /// A machine where an ordinary user lacks nothing.
    fn facts() -> Facts {
        Facts {
            trial: Ok(held()),
            program: "/usr/bin/sbx".into(),
            is_root: false,
            has_admin: false,
            users: ALL_USERS,
            kernel: Some((6, 8)),
            max_user_namespaces: Some(96_343),
            unprivileged_user_namespaces: None,
            apparmor_restricts: None,
            has_overlay: true,
            has_seccomp: true,
        }
    }

    fn failed() -> Facts {
        Facts { trial: Err("cannot make a user namespace: Permission denied".to_owned()), ..facts() }
    }

    /// Returns what is wrong, by name, with what to do.
    fn wrong(facts: &Facts) -> Vec<(&'static str, String, String)> {
        let wrong = judge(facts).into_iter().filter(|finding| !finding.is_good);
        wrong.map(|it| (it.name, it.text, it.hint.unwrap_or_default())).collect()
    }

    #[track_caller]
    fn check(facts: &Facts, name: &str, text: &str, hint: &str) {
        let wrong = wrong(facts);
        assert_eq!(wrong[0].0, "sandboxes", "{wrong:?}");
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        let found = &wrong[1];
        assert!(found.0 == name && found.1.contains(text) && found.2.contains(hint), "{found:?}");
    }

    #[test]
    fn nothing_is_wrong_with_a_good_machine() {
        assert_eq!(wrong(&facts()), []);
        assert_eq!(wrong(&Facts { is_root: true, has_admin: true, ..facts() }), []);
        let names: Vec<_> = judge(&facts()).into_iter().map(|finding| finding.name).collect();
        assert_eq!(names, ["sandboxes", "namespaces", "overlayfs", "seccomp", "memory", "cpu", "processes", "storage"]);
    }

    #[test]
    fn ubuntu_24_04_wants_a_profile() {
        let ubuntu = Facts { apparmor_restricts: Some(1), ..failed() };
        let profile = "profile sbx /usr/bin/sbx flags=(unconfined) { userns, }";
        check(&ubuntu, "namespaces", "AppArmor", profile);
        assert_eq!(wrong(&Facts { apparmor_restricts: Some(1), ..facts() }), [], "the profile is installed");
    }

    #[test]
    fn hardened_machines_have_switched_user_namespaces_off() {
        let rhel = Facts { max_user_namespaces: Some(0), ..failed() };
        check(&rhel, "namespaces", "`user.max_user_namespaces` is 0", "sysctl -w user.max_user_namespaces=");
        let debian = Facts { unprivileged_user_namespaces: Some(0), ..failed() };
        check(&debian, "namespaces", "root's only", "sysctl -w kernel.unprivileged_userns_clone=1");
    }

    #[test]
    fn root_of_a_container_is_not_root_of_the_machine() {
        let container = Facts { is_root: true, ..failed() };
        check(&container, "namespaces", "without CAP_SYS_ADMIN", "--privileged");
        let rootless = Facts { has_admin: true, users: 65_537, ..container };
        check(&rootless, "namespaces", "65537 users", "ordinary user");
    }

    #[test]
    fn a_kernel_may_lack_overlays_or_be_too_old() {
        check(&Facts { has_overlay: false, ..failed() }, "overlayfs", "has none", "modprobe overlay");
        check(&Facts { kernel: Some((5, 10)), ..failed() }, "overlayfs", "Linux 5.10", "5.11");
        let root = Facts { is_root: true, has_admin: true, kernel: Some((5, 15)), ..failed() };
        check(&root, "idmapping", "Linux 5.15", "5.19");
        check(&Facts { has_seccomp: false, ..failed() }, "seccomp", "filters no", "CONFIG_SECCOMP_FILTER");
    }

    #[test]
    fn each_limit_says_why_it_does_not_hold_and_what_to_do() {
        let hold = Hold::Not { reason: "so it is".to_owned(), remedy: Some("do this") };
        let facts = Facts { trial: Ok(Limits { cpu: hold, ..held() }), ..facts() };
        assert_eq!(wrong(&facts), [("cpu", "limits are not enforced: so it is".to_owned(), "do this".to_owned())]);
    }
}
