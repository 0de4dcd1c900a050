use sbx::types::Name;

use super::*;

fn resolve(endpoint: Option<&str>, variables: &'static [(&str, &str)]) -> Settings {
    let environment = Environment::new(|name| Some(variables.iter().find(|(key, _)| *key == name)?.1.to_owned()));
    let args = ServerArgs { endpoint: endpoint.map(ToOwned::to_owned), ..ServerArgs::default() };
    resolved(&args, &Project::default(), &environment).unwrap()
}

/// Resolves in front of two contexts, the first of which is the current one.
fn resolved(args: &ServerArgs, project: &Project, environment: &Environment) -> Result<Settings, Failure> {
    let context = |name: &str, key: &str| Named {
        name: name.to_owned(),
        endpoint: format!("http://{name}"),
        key: Some(KeySource::Variable(key.to_owned())),
        ca_file: None,
    };
    let has_contexts = environment.get("HOME").is_some();
    let contexts = || {
        let all =
            if has_contexts { vec![context("home", "HOME_KEY"), context("prod", "PROD_KEY")] } else { Vec::new() };
        Ok(Contexts { path: Some("/h/config.yaml".into()), current: all.first().map(|c| c.name.clone()), all })
    };
    Settings::resolve(args, project, contexts, environment)
}

fn project(place: Place) -> Project {
    let target = crate::project::Target {
        name: Name::parse("live").unwrap(),
        place,
        manifests: Vec::new(),
        patches: Vec::new(),
        inventory: Some("s3://bucket/x".to_owned()),
        prune: false,
        selector: sbx::types::Selector::default(),
        on_drift: sbx::reconcile::plan::OnDrift::default(),
    };
    Project { root: "/p".into(), target: Some(target), ..Project::default() }
}

/// What a row is about, the flags, the project and the variables.
type Row<'a> = (&'a str, &'a ServerArgs, Project, &'static [(&'static str, &'static str)]);

/// Everything that may say where the server is, from the strongest on: whichever are left, the first one wins.
#[test]
fn strongest_first() {
    let local = ServerArgs { local: true, ..ServerArgs::default() };
    let endpoint = ServerArgs { endpoint: Some("http://flag".to_owned()), ..ServerArgs::default() };
    let context = ServerArgs { context: Some("prod".to_owned()), ..ServerArgs::default() };
    let none = ServerArgs::default();
    let in_context = || project(Place::Context(Name::parse("prod").unwrap()));
    let own = &[("SBX_ENDPOINT", "http://own"), ("LANGSMITH_ENDPOINT", "http://sdk"), ("HOME", "/h")][..];
    let rows: [Row<'_>; 15] = [
        ("--local", &local, in_context(), own),
        ("--local, target too", &local, project(Place::Local), own),
        ("--endpoint", &endpoint, in_context(), own),
        ("--endpoint, local target", &endpoint, project(Place::Local), own),
        ("--context", &context, project(Place::Unsaid), own),
        ("--context, local target", &context, project(Place::Local), own),
        ("--context, target too", &context, in_context(), own),
        ("target: local", &none, project(Place::Local), own),
        ("target: context", &none, in_context(), own),
        ("target: unsaid", &none, project(Place::Unsaid), own),
        ("variables", &none, Project::default(), own),
        ("SDK's variables", &none, Project::default(), &own[1..]),
        ("current context", &none, Project::default(), &own[2..]),
        ("current, target", &none, project(Place::Unsaid), &own[2..]),
        ("nothing", &none, Project::default(), &[]),
    ];
    let lines = rows.map(|(what, args, project, variables)| {
        let environment = Environment::new(|name| Some(variables.iter().find(|(key, _)| *key == name)?.1.to_owned()));
        let settings = resolved(args, &project, &environment).unwrap();
        let server = match &settings.server {
            None => "none".to_owned(),
            Some(Server::Local { data_dir, from }) => format!("{} ({from})", data_dir.display()),
            Some(Server::Remote(remote)) => {
                format!("{} ({}; key: {})", remote.base_url, remote.url_from, remote.key_from)
            }
        };
        let of = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let (target, context, inventory) = (of(&settings.target), of(&settings.context), of(&settings.inventory));
        format!("{what:<24} | {server} | {target} {context} {inventory}")
    });
    insta::assert_snapshot!(lines.join("\n"), @r"
    --local                  | /p/.sbx/local (--local) | - - -
    --local, target too      | /p/.sbx/local (--local) | live - s3://bucket/x
    --endpoint               | http://flag/v2/sandboxes (--endpoint; key: SBX_API_KEY) | - - -
    --endpoint, local target | http://flag/v2/sandboxes (--endpoint; key: SBX_API_KEY) | - - -
    --context                | http://prod/v2/sandboxes (context prod; key: PROD_KEY, of context prod) | - prod -
    --context, local target  | http://prod/v2/sandboxes (context prod; key: PROD_KEY, of context prod) | - prod -
    --context, target too    | http://prod/v2/sandboxes (context prod; key: PROD_KEY, of context prod) | live prod s3://bucket/x
    target: local            | /p/.sbx/local (target live) | live - s3://bucket/x
    target: context          | http://prod/v2/sandboxes (context prod; key: PROD_KEY, of context prod) | live prod s3://bucket/x
    target: unsaid           | http://own/v2/sandboxes (SBX_ENDPOINT; key: SBX_API_KEY) | live - s3://bucket/x
    variables                | http://own/v2/sandboxes (SBX_ENDPOINT; key: SBX_API_KEY) | - - -
    SDK's variables          | http://sdk/v2/sandboxes (LANGSMITH_ENDPOINT; key: LANGSMITH_API_KEY) | - - -
    current context          | http://home/v2/sandboxes (context home; key: HOME_KEY, of context home) | - home -
    current, target          | http://home/v2/sandboxes (context home; key: HOME_KEY, of context home) | live home s3://bucket/x
    nothing                  | none | - - -
    ");
}

#[test]
fn a_context_that_is_none() {
    let environment = Environment::new(|name| (name == "HOME").then(|| "/h".to_owned()));
    let args = ServerArgs { context: Some("prd".to_owned()), ..ServerArgs::default() };
    let shown = |args: &ServerArgs, project: &Project, environment: &Environment| {
        let failure = resolved(args, project, environment).unwrap_err();
        format!("{failure}; {}", failure.hints().join("; "))
    };
    insta::assert_snapshot!(shown(&args, &Project::default(), &environment), @"there is no context `prd`, which --context names; did you mean `prod`?");
    let of_target = project(Place::Context(Name::parse("somewhere").unwrap()));
    insta::assert_snapshot!(shown(&ServerArgs::default(), &of_target, &environment), @"there is no context `somewhere`, which target `live` names; the contexts of /h/config.yaml are home, prod");
    let without_any = Environment::new(|_| None);
    insta::assert_snapshot!(shown(&ServerArgs::default(), &of_target, &without_any), @"there is no context `somewhere`, which target `live` names; write `contexts: {somewhere: {endpoint: URL, api_key_env: NAME}}` into /h/config.yaml");
}

fn remote(endpoint: Option<&str>, variables: &'static [(&str, &str)]) -> (String, String, Option<String>) {
    match resolve(endpoint, variables).server {
        Some(Server::Remote(remote)) => {
            let key = remote.key.as_ref().map(|key| key.expose().to_owned());
            (remote.base_url, remote.url_from.to_string(), key)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn endpoint_and_key_come_from_one_source() {
    let everything: &'static [(&str, &str)] = &[
        ("SBX_ENDPOINT", "http://own"),
        ("SBX_API_KEY", "own-key"),
        ("LANGSMITH_ENDPOINT", "http://sdk"),
        ("LANGSMITH_API_KEY", "sdk-key"),
    ];
    let own_key = Some("own-key".to_owned());
    assert_eq!(
        remote(Some("http://flag"), everything),
        ("http://flag/v2/sandboxes".to_owned(), "--endpoint".to_owned(), own_key.clone())
    );
    assert_eq!(remote(None, everything), ("http://own/v2/sandboxes".to_owned(), "SBX_ENDPOINT".to_owned(), own_key));
    assert_eq!(
        remote(None, &everything[1..]),
        ("http://sdk/v2/sandboxes".to_owned(), "LANGSMITH_ENDPOINT".to_owned(), Some("sdk-key".to_owned()))
    );
    let without_own_key = &everything[2..];
    assert_eq!(remote(Some("http://flag"), without_own_key).2, None, "the SDK's key is for the SDK's server");
    assert_eq!(
        remote(None, &everything[3..]),
        ("https://api.smith.langchain.com/v2/sandboxes".to_owned(), "default".to_owned(), Some("sdk-key".to_owned()))
    );
}

#[test]
fn the_api_path_is_added_where_there_is_none() {
    for (endpoint, expected) in [
        ("http://a", "http://a/v2/sandboxes"),
        ("http://a/", "http://a/v2/sandboxes"),
        ("http://a/api/v2/sandboxes", "http://a/api/v2/sandboxes"),
        ("not a url", "not a url"),
    ] {
        assert_eq!(remote(Some(endpoint), &[]).0, expected);
    }
    assert_eq!(remote(None, &[("LANGSMITH_ENDPOINT", "http://a/api")]).0, "http://a/api/v2/sandboxes");
}

#[test]
fn nothing_configured_is_no_server() {
    assert_eq!(resolve(None, &[]), Settings::default());
    assert_eq!(resolve(None, &[("SBX_ENDPOINT", " "), ("LANGSMITH_API_KEY", "")]).server, None);
    assert!(resolve(None, &[("SBX_API_KEY", "key")]).has_stray_key);
}

#[test]
fn a_label_has_no_password_and_debug_no_key() {
    for (endpoint, label) in [
        ("http://user:planted@a/v2", "http://a/v2"),
        ("planted@a", "a"),
        ("user:planted@a:1/@x", "x"),
        ("https://user:plan/ted-planted@a/", "https://a/"),
        ("http://a/v2?key=hidden", "http://a/v2"),
        ("http://a/@x", "http://a/@x"),
    ] {
        let args = ServerArgs { endpoint: Some(endpoint.to_owned()), ..ServerArgs::default() };
        let environment = Environment::new(|name| (name == env::API_KEY).then(|| "planted".to_owned()));
        let settings = resolved(&args, &Project::default(), &environment).unwrap();
        let Some(Server::Remote(remote)) = settings.server else { panic!("an endpoint was given") };
        assert_eq!(remote.label(), label);
        assert_eq!(remote.has_credentials(), endpoint.contains("planted"), "{endpoint}");
        assert!(!format!("{:?}", remote.key).contains("planted"));
    }
}

#[test]
fn knows_its_own_machine() {
    for (endpoint, is_loopback) in [
        ("http://127.0.0.1:1", true),
        ("http://[::1]:1", true),
        ("http://localhost", true),
        ("http://localhost.example.com", false),
        ("http://10.0.0.1", false),
    ] {
        match resolve(Some(endpoint), &[]).server {
            Some(Server::Remote(remote)) => assert_eq!(remote.is_loopback(), is_loopback, "{endpoint}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_question_names_target_and_workspace() {
    let label = |target: Option<&str>, context: Option<&str>| {
        let of = |name: Option<&str>| name.map(ToOwned::to_owned);
        let settings = Settings { target: of(target), context: of(context), ..Settings::default() };
        settings.label_of(&Server::Remote(with_own_key("http://a", Source::Default, &Environment::new(|_| None))))
    };
    assert_eq!(label(Some("prod"), Some("eu")), "target prod, http://a/v2/sandboxes");
    assert_eq!(label(None, Some("eu")), "context eu, http://a/v2/sandboxes");
    assert_eq!(label(None, None), "http://a/v2/sandboxes");
}
