//! What the program refuses, and with which exit code.

use super::environment::Environment;
use super::server::Server;

const VOLUME: &str = "{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 1Gi}}";

#[test]
fn nothing_configured_calls_nobody() {
    let mut environment = Environment::new();
    environment.write("v.yaml", VOLUME);
    insta::assert_snapshot!(environment.sbx(&["plan", "-f", "v.yaml"]), @r"
    $ sbx plan -f v.yaml
    --- stderr
    error: no server is configured
    hint: pass --local to use the server that is built into sbx
    hint: or set SBX_ENDPOINT and SBX_API_KEY, or LANGSMITH_ENDPOINT and LANGSMITH_API_KEY
    hint: or name the server once in ~/.config/sbx/config.yaml; see `sbx context --help`
    --- exit code 64
    ");
    environment.set("SBX_API_KEY", "planted-key");
    insta::assert_snapshot!(environment.sbx(&["get", "all"]), @r"
    $ sbx get all
    --- stderr
    error: no server is configured
    hint: SBX_API_KEY is set, but no SBX_ENDPOINT goes with it
    hint: pass --local to use the server that is built into sbx
    hint: or set SBX_ENDPOINT and SBX_API_KEY, or LANGSMITH_ENDPOINT and LANGSMITH_API_KEY
    hint: or name the server once in ~/.config/sbx/config.yaml; see `sbx context --help`
    --- exit code 64
    ");
}

#[test]
fn writing_without_a_terminal_takes_a_yes() {
    let environment = Environment::new();
    environment.write("v.yaml", VOLUME);
    insta::assert_snapshot!(environment.sbx_with_input(&["apply", "-f", "v.yaml", "--local"], "yes\n"), @r"
    $ sbx apply -f v.yaml --local
    --- stdout
    + create volume/data
        size: 1Gi

    Plan: 1 to create.
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    error: there is no terminal to ask on
    hint: pass --yes to go on without being asked
    --- exit code 1
    ");
    let run = environment.sbx(&["get", "all", "--local", "-o", "name", "-q"]);
    assert_eq!(run.stdout, "", "nothing was done");
}

#[test]
fn a_command_line_that_makes_no_sense() {
    let environment = Environment::new();
    insta::assert_snapshot!(environment.sbx(&["plan"]), @r"
    $ sbx plan
    --- stderr
    error: nothing says which manifests: no -f, and no `sbx.yaml` here or above
    hint: pass -f PATH, or let `sbx init` write something to begin with
    --- exit code 64
    ");
    insta::assert_snapshot!(environment.sbx(&["get", "all", "--local", "--endpoint", "http://a"]), @r"
    $ sbx get all --local --endpoint http://a
    --- stderr
    error: the argument '--local' cannot be used with '--endpoint <URL>'

    Usage: sbx get --local <KIND> [NAME]...

    For more information, try '--help'.
    --- exit code 64
    ");
    for arguments in [&["aply"][..], &["get"], &["delete", "pool"], &["schema", "pool.size"], &[]] {
        let run = environment.sbx(arguments);
        assert_eq!((run.stdout.as_str(), run.code), ("", Some(64)), "{run}");
    }
}

#[test]
fn a_server_that_is_not_there() {
    let environment = Environment::new();
    // Nothing listens on port 1 of a machine that runs tests.
    insta::assert_snapshot!(environment.sbx(&["get", "all", "--endpoint", "http://127.0.0.1:1"]), @r"
    $ sbx get all --endpoint http://127.0.0.1:<port>
    --- stderr
    error: cannot work with http://127.0.0.1:<port>/v2/sandboxes
    caused by: cannot <read>: the request got no answer in 4 attempts
    caused by: no connection to the server
    caused by: Connection refused (os error 111)
    hint: start a server with `sbx serve`, or pass --local to do without one
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.sbx(&["get", "all", "--endpoint", "127.0.0.1:1"]), @r"
    $ sbx get all --endpoint 127.0.0.1:<port>
    --- stderr
    error: cannot connect to 127.0.0.1:<port>
    caused by: the endpoint `127.0.0.1:<port>` is not a URL
    caused by: relative URL without a base
    hint: the endpoint comes from --endpoint
    hint: it looks like https://sandboxes.example.com or http://127.0.0.1:<port>
    --- exit code 64
    ");
}

#[test]
fn a_password_in_the_endpoint_is_never_shown() {
    let environment = Environment::new();
    insta::assert_snapshot!(environment.sbx(&["get", "all", "--endpoint", "http://me:secret@a"]).stderr, @r"
    error: the endpoint from --endpoint carries a user name or a password
    hint: put the key into SBX_API_KEY
    ");
    for endpoint in ["http://me:planted@127.0.0.1:1", "me:planted@127.0.0.1"] {
        for command in [&["get", "all"][..], &["version", "-v"]] {
            let run = environment.sbx(&[command, &["--endpoint", endpoint]].concat());
            assert!(!run.stdout.contains("planted") && !run.stderr.contains("planted"), "{run}");
        }
    }
}

#[test]
fn a_key_that_is_missing_or_wrong() {
    let mut environment = Environment::new();
    environment.write("key", "right-key\n");
    let server = Server::start(&environment, &["--api-key-file", "key", "--data-dir", "data"]);
    insta::assert_snapshot!(environment.sbx(&["get", "all", "--endpoint", &server.url()]), @r"
    $ sbx get all --endpoint http://127.0.0.1:<port>
    --- stderr
    error: cannot work with http://127.0.0.1:<port>/v2/sandboxes
    caused by: cannot <read>: An API key is required, in the header `X-Api-Key`
    hint: no key was sent: set SBX_API_KEY
    --- exit code 1
    ");
    environment.set("SBX_ENDPOINT", &server.url()).set("SBX_API_KEY", "planted-key");
    insta::assert_snapshot!(environment.sbx(&["get", "all", "-vv"]).stderr.lines().rev().take(2).collect::<Vec<_>>().join("\n"), @r"
    hint: the key comes from SBX_API_KEY, the endpoint from SBX_ENDPOINT: do they belong together?
    caused by: cannot <read>: An API key is required, in the header `X-Api-Key`
    ");
    let shown = environment.sbx(&["get", "all", "-vv"]).to_string();
    assert!(!shown.contains("planted-key"), "{shown}");
    environment.set("SBX_API_KEY", "right-key");
    let run = environment.sbx(&["get", "all"]);
    assert_eq!(run.code, Some(0), "{run}");
}

#[test]
fn version_tells_where_each_setting_comes_from() {
    let mut environment = Environment::new();
    insta::assert_snapshot!(environment.sbx(&["version"]), @r"
    $ sbx version
    --- stdout
    sbx 0.1.0
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["version", "--verbose"]), @r"
    $ sbx version --verbose
    --- stdout
    sbx 0.1.0
    endpoint: none (nothing is set)
    --- exit code 0
    ");
    environment.set("LANGSMITH_API_KEY", "planted-key").set("LANGSMITH_ENDPOINT", "http://127.0.0.1:1");
    insta::assert_snapshot!(environment.sbx(&["version", "--verbose"]).stdout, @r"
    sbx 0.1.0
    endpoint:  http://127.0.0.1:<port>/v2/sandboxes (LANGSMITH_ENDPOINT)
    api-key:   set (LANGSMITH_API_KEY)
    api:       not known: it cannot be reached (it was asked)
    inventory: <work>/.sbx/inventory/127.0.0.1-1.json (default)
    ");
    insta::assert_snapshot!(environment.sbx(&["version", "-v", "-o", "json", "--endpoint", "http://127.0.0.1:1/b"]).stdout, @r#"
    {"format_version":1,"settings":{"api":{"from":"it was asked","value":"not known: it cannot be reached"},"api-key":{"from":"SBX_API_KEY","value":"not set"},"endpoint":{"from":"--endpoint","value":"http://127.0.0.1:<port>/b"},"inventory":{"from":"default","value":"<work>/.sbx/inventory/127.0.0.1-1-b.json"}},"version":"0.1.0"}
    "#);
    insta::assert_snapshot!(environment.sbx(&["version", "-v", "--local"]), @r"
    $ sbx version -v --local
    --- stdout
    sbx 0.1.0
    endpoint:  local, data in <work>/.sbx/local (--local)
    api:       the first and the second generation (built into sbx)
    inventory: <work>/.sbx/local/inventory.json (default)
    --- exit code 0
    ");
    let server = Server::start(&environment, &["--data-dir", "data"]);
    let run = environment.sbx(&["version", "-v", "--endpoint", &server.url()]);
    assert!(run.stdout.contains("api:       the first and the second generation (as it answered)"), "{run}");
    assert_eq!(run.stderr, "", "it is no log that was asked for");
    let run = environment.sbx(&["version", "-vv", "--endpoint", &server.url()]);
    assert!(run.stderr.contains("GET"), "{run}");
}

#[test]
fn a_selection_of_nothing_does_not_look_like_success() {
    let environment = Environment::new();
    environment.write(
        "w.yaml",
        "{apiVersion: sbx/v1, kind: Volume, metadata: {name: data, labels: {team: ads}}, spec: {size: 1Gi}}",
    );
    insta::assert_snapshot!(environment.sbx(&["plan", "-f", "w.yaml", "--local", "-l", "team=add"]), @r"
    $ sbx plan -f w.yaml --local -l team=add
    --- stdout
    No changes. Nothing to do: 0 objects are as declared.
    --- stderr
    Local server, data in .sbx/local. Note: templates run on this machine's own files: no image is pulled, and what limits hold depends on this machine.
    warning: the selector `team=add` selects nothing, so that nothing is planned; the labels that there are: team=ads
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["plan", "-f", "w.yaml", "--local", "--target", "volume/date"]), @r"
    $ sbx plan -f w.yaml --local --target volume/date
    --- stderr
    error: volume/date is not declared
    hint: did you mean `volume/data`?
    --- exit code 64
    ");
    let far = environment.sbx(&["apply", "-f", "w.yaml", "--local", "--yes", "--target", "pool/warm"]);
    assert_eq!(far.code, Some(64), "{far}");
    assert!(far.stderr.contains("hint: declared are volume/data"), "{far}");
    let one = environment.sbx(&["plan", "-f", "w.yaml", "--local", "-l", "team=ads"]);
    assert!(!one.stderr.contains("warning"), "{one}");
}

#[test]
fn a_place_for_the_inventory_that_is_none_is_a_mistake_on_the_command_line() {
    let environment = Environment::new();
    environment.write("w.yaml", VOLUME);
    for (place, why) in [
        ("ftp://c/prod.json", "it begins with none of s3://, gs://, az:// and file://"),
        ("az://c/prod.json", "no storage account is named: set AZURE_STORAGE_ACCOUNT_NAME"),
        ("prod.yaml", "it must name a file that ends with `.json`"),
    ] {
        let run = environment.sbx(&["plan", "-f", "w.yaml", "--local", "--inventory", place]);
        assert_eq!(run.code, Some(64), "{run}");
        assert!(run.stderr.contains(why), "{run}");
    }
}

#[test]
fn a_saved_plan_and_manifests_do_not_go_together() {
    let environment = Environment::new();
    environment.write("w.yaml", VOLUME);
    insta::assert_snapshot!(environment.sbx(&["apply", "plan.json", "-f", "w.yaml", "--local", "--yes"]), @r"
    $ sbx apply plan.json -f w.yaml --local --yes
    --- stderr
    error: a saved plan says what is done: `plan.json` and -f do not go together
    hint: leave -f away to perform the plan, or the plan to apply the manifests
    --- exit code 64
    ");
    let run = environment.sbx(&["apply", "-f", "w.yaml", "--local", "--parallelism", "0"]);
    assert_eq!(run.code, Some(64), "{run}");
    assert!(run.stderr.contains("expected a number from 1 on"), "{run}");
}
