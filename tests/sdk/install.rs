//! The SDKs, and how each gets onto this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{self, output};

/// An official SDK of one version.
pub(crate) struct Sdk {
    /// What the report calls it.
    pub(crate) name: &'static str,
    /// The packages in the words of its language's installer.
    requirement: &'static str,
    install: fn(folder: &Path, requirement: &str) -> Result<(), String>,
    /// Returns the command that runs a module of the suite, but for the module's name.
    pub(crate) runner: fn(folder: &Path) -> Command,
    /// What stands before a module's name in a file name of the suite.
    module_prefix: &'static str,
    /// Whether its sandbox client is the code of another version: then what needs real sandboxes is tried, once.
    pub(crate) is_repetition: bool,
    /// The program that its documentation begins with, in a file of the suite.
    pub(crate) first_program: Option<&'static str>,
    /// The modules of the suite that need sandboxes which really run.
    pub(crate) modules_in_sandboxes: &'static [&'static str],
    /// Those that start servers themselves.
    pub(crate) modules_with_servers: &'static [&'static str],
}

/// The last versions that have templates, pools and volumes as the contract describes them. The sandbox client of
/// Python's 0.7.31 is that of 0.7.30, file by file.
pub(crate) const SDKS: &[Sdk] = &[
    Sdk {
        name: "python-0.7.30",
        requirement: "langsmith[sandbox]==0.7.30",
        install: install_python,
        runner: python_runner,
        module_prefix: "scenarios_",
        is_repetition: false,
        first_program: Some("python/first_program.py"),
        modules_in_sandboxes: &["commands", "sandboxes"],
        modules_with_servers: &["restarts"],
    },
    Sdk {
        name: "python-0.7.31",
        requirement: "langsmith[sandbox]==0.7.31",
        install: install_python,
        runner: python_runner,
        module_prefix: "scenarios_",
        is_repetition: true,
        first_program: Some("python/first_program.py"),
        modules_in_sandboxes: &["commands", "sandboxes"],
        modules_with_servers: &[],
    },
    Sdk {
        name: "js-0.5.20",
        // Without `ws` it has no WebSockets, and streams nothing.
        requirement: "langsmith@0.5.20 ws@8.19.0",
        install: install_js,
        runner: js_runner,
        module_prefix: "",
        is_repetition: false,
        first_program: None,
        modules_in_sandboxes: &["commands", "sandboxes"],
        modules_with_servers: &[],
    },
];

/// The newest versions, which speak the API's second generation.
pub(crate) const NEWEST: &[Sdk] = &[
    Sdk {
        name: "python-0.15.1",
        requirement: "langsmith==0.15.1",
        install: install_python,
        runner: python_runner,
        module_prefix: "second_",
        is_repetition: false,
        first_program: None,
        modules_in_sandboxes: &["sandboxes"],
        modules_with_servers: &[],
    },
    Sdk {
        name: "js-0.12.0",
        requirement: "langsmith@0.12.0 ws@8.19.0",
        install: install_js,
        runner: js_runner,
        module_prefix: "second_",
        is_repetition: false,
        first_program: None,
        modules_in_sandboxes: &["sandboxes"],
        modules_with_servers: &[],
    },
];

/// A server that speaks S3, for inventories: no SDK, and got in the same way.
pub(crate) const STORE: Sdk = Sdk {
    name: "s3-moto-5.2.5",
    requirement: crate::object_store::REQUIREMENT,
    install: install_python,
    runner: python_runner,
    module_prefix: "",
    is_repetition: false,
    first_program: None,
    modules_in_sandboxes: &[],
    modules_with_servers: &[],
};

impl Sdk {
    /// Returns a module's name in the words of the suite.
    pub(crate) fn module_name(&self, module: &str) -> String {
        format!("{}{module}", self.module_prefix)
    }

    /// Installs the SDK below the target folder unless it is there, and returns its folder, or why it cannot be.
    ///
    /// A stamp is written last, so that an installation that was cut off is made again.
    pub(crate) fn installed(&self) -> Result<PathBuf, String> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk").join(self.name);
        let stamp = folder.join("installed");
        if fs::read_to_string(&stamp).is_ok_and(|found| found == self.requirement) {
            return Ok(folder);
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
        }
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        (self.install)(&folder, self.requirement)?;
        fs::write(&stamp, self.requirement).map_err(|error| error.to_string())?;
        Ok(folder)
    }
}

fn install_python(folder: &Path, requirement: &str) -> Result<(), String> {
    output(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    output(Command::new(python(folder)).args(["-m", "pip", "install", "--quiet", requirement]))?;
    Ok(())
}

fn python_runner(folder: &Path) -> Command {
    let mut command = Command::new(python(folder));
    // No bytecode beside the sources: the suite leaves the package as it found it.
    command.arg("-B").arg(program::suites().join("python/suite.py"));
    command
}

pub(crate) fn python(folder: &Path) -> PathBuf {
    folder.join("bin/python")
}

fn install_js(folder: &Path, requirement: &str) -> Result<(), String> {
    output(Command::new("node").arg("--version"))?;
    fs::write(folder.join("package.json"), "{\"private\": true}").map_err(|error| error.to_string())?;
    let quiet = ["install", "--no-audit", "--no-fund", "--loglevel=error"];
    output(Command::new("npm").args(quiet).args(requirement.split(' ')).current_dir(folder))?;
    Ok(())
}

fn js_runner(folder: &Path) -> Command {
    let mut command = Command::new("node");
    command.arg(program::suites().join("js/suite.mjs")).arg(folder);
    command
}
