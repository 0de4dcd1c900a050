//! `sbx context`, and the servers that it names.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::environment::Environment;
use super::server::Server;

const CONFIG: &str = "\
# Mine.
contexts:
  staging: {endpoint: 'https://staging.example.com', api_key_env: STAGING_KEY}
  prod: {endpoint: 'https://example.com/api/v2/sandboxes', api_key_command: pass show prod, ca_file: ca.pem}
  lab: {endpoint: 'http://me:planted@10.0.0.7'}
";

#[test]
fn contexts_are_listed_shown_and_chosen() {
    let environment = Environment::new();
    insta::assert_snapshot!(environment.sbx(&["context", "list"]), @r"
    $ sbx context list
    --- stderr
    No contexts: `<folder>/home/.config/sbx/config.yaml` has none.
    --- exit code 0
    ");
    let path = environment.write_config(CONFIG);
    insta::assert_snapshot!(environment.sbx(&["context", "list"]), @r"
    $ sbx context list
    --- stdout
    NAME      ENDPOINT                                   KEY FROM          CURRENT
    staging   https://staging.example.com/v2/sandboxes   STAGING_KEY
    prod      https://example.com/api/v2/sandboxes       api_key_command
    lab       http://10.0.0.7/v2/sandboxes               nowhere
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["context", "show"]), @r"
    $ sbx context show
    --- stderr
    error: no context is the current one
    hint: `sbx context use NAME` makes one the current one
    --- exit code 64
    ");
    insta::assert_snapshot!(environment.sbx(&["context", "use", "prd"]), @r"
    $ sbx context use prd
    --- stderr
    error: there is no context `prd`, which the command line names
    hint: did you mean `prod`?
    --- exit code 64
    ");
    insta::assert_snapshot!(environment.sbx(&["context", "use", "prod"]), @r"
    $ sbx context use prod
    --- stderr
    The current context is prod, https://example.com/api/v2/sandboxes.
    --- exit code 0
    ");
    insta::assert_snapshot!(environment.sbx(&["context", "show"]), @r"
    $ sbx context show
    --- stdout
    name:     prod
    endpoint: https://example.com/api/v2/sandboxes
    key from: api_key_command
    ca file:  <folder>/home/.config/sbx/ca.pem
    --- exit code 0
    ");
    let expected = CONFIG.replace("contexts:", "current_context: prod\ncontexts:");
    assert_eq!(fs::read_to_string(&path).expect("it is there"), expected);
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    insta::assert_snapshot!(environment.sbx(&["context", "list", "-o", "json"]), @r#"
    $ sbx context list -o json
    --- stdout
    {
      "contexts": [
        {
          "ca_file": null,
          "endpoint": "https://staging.example.com/v2/sandboxes",
          "key_from": "STAGING_KEY",
          "name": "staging"
        },
        {
          "ca_file": "<folder>/home/.config/sbx/ca.pem",
          "endpoint": "https://example.com/api/v2/sandboxes",
          "key_from": "api_key_command",
          "name": "prod"
        },
        {
          "ca_file": null,
          "endpoint": "http://10.0.0.7/v2/sandboxes",
          "key_from": null,
          "name": "lab"
        }
      ],
      "current": "prod",
      "format_version": 1
    }
    --- exit code 0
    "#);
    insta::assert_snapshot!(environment.sbx(&["context", "show", "staging", "-o", "json"]), @r#"
    $ sbx context show staging -o json
    --- stdout
    {
      "ca_file": null,
      "endpoint": "https://staging.example.com/v2/sandboxes",
      "format_version": 1,
      "key_from": "STAGING_KEY",
      "name": "staging"
    }
    --- exit code 0
    "#);
    insta::assert_snapshot!(environment.sbx(&["version", "-v"]).stdout, @r"
    sbx 0.1.0
    endpoint:  https://example.com/api/v2/sandboxes (context prod)
    api-key:   got when needed (api_key_command, of context prod)
    api:       not known (`sbx doctor` gets the key, and asks)
    inventory: <work>/.sbx/inventory/prod.json (default)
    ca-file:   <folder>/home/.config/sbx/ca.pem (context prod)
    ");
}

#[test]
fn the_current_context_is_the_weakest() {
    let mut environment = Environment::new();
    environment.write("key", "right-key\n");
    let server = Server::start(&environment, &["--api-key-file", "key", "--data-dir", "data"]);
    let key = environment.work().join("key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("it is ours");
    environment.write_config(&format!(
        "current_context: lab\ncontexts: {{lab: {{endpoint: '{}', api_key_file: '{}'}}}}\n",
        server.url(),
        key.display()
    ));
    insta::assert_snapshot!(environment.sbx(&["get", "all"]), @r"
    $ sbx get all
    --- stderr
    The workspace is empty.
    --- exit code 0
    ");
    // Variables come before it; the flag that names it comes before them.
    environment.set("SBX_ENDPOINT", "http://127.0.0.1:1").set("SBX_API_KEY", "planted-key");
    assert_eq!(environment.sbx(&["get", "all"]).code, Some(1));
    let run = environment.sbx(&["get", "all", "--context", "lab", "-vv"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(!run.to_string().contains("right-key") && !run.to_string().contains("planted-key"), "{run}");
    let run = environment.sbx(&["get", "all", "--context", "lab", "--endpoint", "http://a"]);
    assert_eq!(run.code, Some(64), "{run}");
}

#[test]
fn a_command_that_prints_no_key() {
    let environment = Environment::new();
    let config = |command: &str| {
        environment.write_config(&format!(
            "contexts: {{lab: {{endpoint: 'http://127.0.0.1:1', api_key_command: '{command}'}}}}\n"
        ));
        environment.sbx(&["get", "all", "--context", "lab"])
    };
    insta::assert_snapshot!(config("echo planted; exit 3"), @r"
    $ sbx get all --context lab
    --- stderr
    error: cannot get the key of context `lab`
    caused by: `api_key_command` ended with exit status: 3
    hint: run the command by hand: it should print the key and nothing else
    --- exit code 1
    ");
    insta::assert_snapshot!(config("true").stderr, @r"
    error: cannot get the key of context `lab`
    caused by: the output of `api_key_command` holds no key: it is empty
    ");
}

#[test]
fn a_file_that_others_can_get_at() {
    let environment = Environment::new();
    let path = environment.write_config(CONFIG);
    let with_mode = |mode| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
        environment.sbx(&["context", "list", "-o", "json"])
    };
    insta::assert_snapshot!(with_mode(0o644).stderr, @"warning: `<folder>/home/.config/sbx/config.yaml` can be read by others: `chmod 600 <folder>/home/.config/sbx/config.yaml`");
    insta::assert_snapshot!(with_mode(0o620), @r"
    $ sbx context list -o json
    --- stderr
    error: `<folder>/home/.config/sbx/config.yaml` can be written by others
    hint: look at what it says, then `chmod 600 <folder>/home/.config/sbx/config.yaml`
    --- exit code 1
    ");
}

#[test]
fn a_bad_file_is_in_the_way_of_those_who_need_it() {
    let environment = Environment::new();
    environment.write_config("contexts: {prod: {endpoint: 'https://a', api_key: planted-key}}\n");
    insta::assert_snapshot!(environment.sbx(&["get", "all"]), @r"
    $ sbx get all
    --- stderr
    error[key-in-file]: context `prod` has a field `api_key`: keys do not belong here
     |
     = help: say where the key is: `api_key_env`, `api_key_file` or `api_key_command`

    error: `<folder>/home/.config/sbx/config.yaml` has 1 error
    --- exit code 1
    ");
    assert_eq!(environment.sbx(&["get", "all", "--local"]).code, Some(0));
}
