//! Real HTTP.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt as _, TryStreamExt as _};
use http::Uri;
use http::uri::Scheme;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use super::super::config::{Config, ConfigError, is_loopback};
use super::{BoxConnection, Content, Limits, Transport, TransportError, tls};

/// How much memory is taken for an answer before it is there, in bytes. Larger ones grow.
const MAX_RESERVED: usize = 64 << 20;

/// HTTP/1.1 with a pool of connections that are kept alive.
///
/// The proxy variables of the environment hold for all hosts but those of the loopback interface. Certificates are read
/// only once something asks for `https://`.
pub struct HttpTransport {
    connect_timeout: Duration,
    ca_certificate: Option<Arc<[u8]>>,
    clients: Mutex<HashMap<Way, reqwest::Client>>,
}

/// What a URL asks of a connection. Each has its own pool, made when it is first needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Way {
    tls: bool,
    proxy: bool,
}

impl HttpTransport {
    /// Returns a transport for what `config` says: the connect timeout and the CA certificates.
    ///
    /// # Errors
    ///
    /// For an endpoint with `https://`, what is wrong with the certificates; for any endpoint, a CA file without any.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let base_url = config.parse_base_url()?;
        config.ca_certificate.as_deref().map(tls::read_certificates).transpose()?;
        let transport = Self {
            connect_timeout: config.timeout,
            ca_certificate: config.ca_certificate.clone(),
            clients: Mutex::default(),
        };
        transport.client(Way::to(&base_url))?;
        Ok(transport)
    }

    fn client(&self, way: Way) -> Result<reqwest::Client, ConfigError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&way) {
            return Ok(client.clone());
        }
        let client = self.build(way)?;
        clients.insert(way, client.clone());
        Ok(client)
    }

    fn build(&self, way: Way) -> Result<reqwest::Client, ConfigError> {
        let tls =
            if way.tls { tls::trusting_the_machine(self.ca_certificate.as_deref())? } else { tls::trusting_nobody()? };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            // The client retries, where it knows that it may.
            .retry(reqwest::retry::never())
            .connect_timeout(self.connect_timeout);
        if !way.proxy {
            builder = builder.no_proxy();
        }
        builder.build().map_err(|error| ConfigError::Tls { source: Box::new(error) })
    }

    async fn carry(&self, request: http::Request<Content>) -> Result<http::Response<Content>, TransportError> {
        let request = request.map(reqwest::Body::wrap_stream);
        let mut answer = self.client_of(&request)?.execute(into_reqwest(request)?).await.map_err(classify)?;
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        let content = answer.bytes_stream().map_err(|error| io::Error::other(error.without_url()));
        let mut response = http::Response::new(content.boxed());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    fn client_of<T>(&self, request: &http::Request<T>) -> Result<reqwest::Client, TransportError> {
        let url = Url::parse(&request.uri().to_string()).map_err(|error| connect(Box::new(error)))?;
        self.client(Way::to(&url)).map_err(|error| connect(Box::new(error)))
    }

    /// Connects without a proxy: WebSockets that one passes on are rare enough to be left out.
    async fn dial(&self, uri: &Uri) -> Result<BoxConnection, TransportError> {
        let host = uri.host().ok_or_else(|| connect("the URL has no host".into()))?;
        let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, port)).await.map_err(|error| connect(Box::new(error)))?;
        // Keystrokes are small, and waiting to send them together with more helps nobody.
        stream.set_nodelay(true).map_err(|error| connect(Box::new(error)))?;
        if !is_tls {
            return Ok(Box::new(stream));
        }
        let config = tls::trusting_the_machine(self.ca_certificate.as_deref());
        let config = config.map_err(|error| connect(Box::new(error)))?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| connect(Box::new(error)))?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        Ok(Box::new(stream.map_err(|error| connect(Box::new(error)))?))
    }

    async fn exchange(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let client = self.client_of(&request)?;
        let request = into_reqwest(request)?;

        let answer = tokio::time::timeout(limits.timeout, client.execute(request)).await;
        let mut answer = answer.map_err(|_| TransportError::Timeout)?.map_err(classify)?;
        // What the server says is a hint, of which only so much is believed.
        let length = answer.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        let mut body = BytesMut::with_capacity(length.min(MAX_RESERVED));
        loop {
            let chunk = tokio::time::timeout(limits.timeout, answer.chunk()).await;
            match chunk.map_err(|_| TransportError::Timeout)?.map_err(classify)? {
                Some(chunk) => body.extend_from_slice(&chunk),
                None => break,
            }
        }
        let mut response = http::Response::new(body.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

fn into_reqwest(request: http::Request<impl Into<reqwest::Body>>) -> Result<reqwest::Request, TransportError> {
    reqwest::Request::try_from(request).map_err(|error| connect(Box::new(error.without_url())))
}

impl Transport for HttpTransport {
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        self.exchange(request, limits).boxed()
    }

    fn transfer(
        &self,
        request: http::Request<Content>,
    ) -> BoxFuture<'_, Result<http::Response<Content>, TransportError>> {
        self.carry(request).boxed()
    }

    fn connect<'a>(&'a self, uri: &'a Uri, limits: Limits) -> BoxFuture<'a, Result<BoxConnection, TransportError>> {
        async move {
            let connection = tokio::time::timeout(limits.timeout, self.dial(uri)).await;
            connection.map_err(|_| TransportError::ConnectTimeout)?
        }
        .boxed()
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport").field("connect_timeout", &self.connect_timeout).finish_non_exhaustive()
    }
}

impl Way {
    fn to(url: &Url) -> Self {
        Self { tls: url.scheme() == "https", proxy: !is_loopback(url) }
    }
}

/// Tells the phases apart. The URL is taken out of the error: the caller knows it, and a service's may be a secret.
fn classify(error: reqwest::Error) -> TransportError {
    let error = error.without_url();
    if error.is_connect() {
        return if error.is_timeout() { TransportError::ConnectTimeout } else { connect(Box::new(Root(error))) };
    }
    if error.is_timeout() {
        return TransportError::Timeout;
    }
    if error.is_builder() {
        // What could not be built was never sent.
        return connect(Box::new(error));
    }
    if error.is_request() || error.is_body() || error.is_decode() {
        return TransportError::Dropped { source: Box::new(error) };
    }
    TransportError::Other { source: Box::new(error) }
}

/// A connection that failed, told by what ends its chain of causes. The layers above only say that they failed too.
#[derive(Debug)]
struct Root(reqwest::Error);

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cause: &dyn StdError = &self.0;
        while let Some(next) = cause.source() {
            cause = next;
        }
        write!(f, "{cause}")
    }
}

impl StdError for Root {}

fn connect(source: Box<dyn StdError + Send + Sync>) -> TransportError {
    TransportError::Connect { source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_has_a_say_on_the_loopback_interface() {
        for (url, tls, proxy) in [
            ("http://127.0.0.1:8080/v2", false, false),
            ("https://localhost", true, false),
            ("http://example.com", false, true),
            ("https://example.com", true, true),
        ] {
            assert_eq!(Way::to(&Url::parse(url).expect(url)), Way { tls, proxy }, "{url}");
        }
    }
}
