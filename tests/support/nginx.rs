//! A real nginx as the application, from one block of its configuration. Not a test.

use std::path::Path;

use super::process::{Process, tool, tool_command};

/// Runs in `dir` until it is dropped. `http` is what stands in the block of that name, for the address that it is to
/// listen on, which is given back.
pub(crate) fn start(dir: &Path, http: impl FnOnce(&str) -> String) -> (Process, String) {
    // An address of loopback that is this test's alone, and a port below those that the system hands out.
    let [a, b, c, ..] = uuid::Uuid::new_v4().into_bytes();
    let address = format!("127.{}.{}.{}:18080", a | 1, b, c | 1);
    let config = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr; events {{}}
        http {{
            client_body_temp_path tmp-body; proxy_temp_path tmp-proxy; fastcgi_temp_path tmp-fastcgi;
            uwsgi_temp_path tmp-uwsgi; scgi_temp_path tmp-scgi;
            {}
        }}",
        http(&address)
    );
    std::fs::write(dir.join("nginx.conf"), config).unwrap();
    let prefix = dir.display().to_string();
    let args = ["-p", &prefix, "-c", "nginx.conf", "-e", "stderr"];
    let mut process = Process::start(tool_command(&tool("nginx"), dir, &args));
    process.wait_for("nginx answers", |_, _| std::net::TcpStream::connect(&address).ok());
    (process, address)
}
