//! `sbx serve --egress`, before and as it starts.

use super::environment::Environment;

#[test]
fn hosts_that_nothing_leads_to_are_a_mistake() {
    let environment = Environment::new();
    let run = environment.sbx(&["serve", "--egress-allow", "pypi.org"]);
    insta::assert_snapshot!(run, @r"
    $ sbx serve --egress-allow pypi.org
    --- stderr
    error: `--egress-allow` lets nothing through without `--egress proxy`
    hint: add `--egress proxy`
    --- exit code 64
    ");
}

#[test]
fn what_names_no_hosts_is_a_mistake() {
    let environment = Environment::new();
    let run = environment.sbx(&["serve", "--egress", "proxy", "--egress-allow", "https://pypi.org/"]);
    insta::assert_snapshot!(run, @r"
    $ sbx serve --egress proxy --egress-allow https://pypi.org/
    --- stderr
    error: invalid value 'https://pypi.org/' for '--egress-allow <HOST>': write a host without scheme and path, such as `pypi.org` or `pypi.org:443`

    For more information, try '--help'.
    --- exit code 64
    ");
}
