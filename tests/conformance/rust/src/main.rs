//! get rustls|native-tls URL: print the body; for the tests of trust.
use std::sync::Arc;

fn main() {
    let mut args = std::env::args().skip(1);
    let (kind, url) = (args.next().unwrap(), args.next().unwrap());
    let mut agent = ureq::AgentBuilder::new();
    if kind == "native-tls" {
        let connector = native_tls::TlsConnector::new().unwrap();
        agent = agent.tls_connector(Arc::new(connector));
    }
    match agent.build().get(&url).call() {
        Ok(answer) => print!("{}", answer.into_string().unwrap()),
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(1);
        }
    }
}
