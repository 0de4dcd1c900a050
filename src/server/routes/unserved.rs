//! Operations of the API that this server does not serve: it says so by their names, and makes nothing up.

use crate::server::error::Failure;

macro_rules! unserved {
    ($($id:ident),* $(,)?) => {$(
        pub(crate) async fn $id() -> Failure {
            Failure::not_implemented(stringify!($id))
        }
    )*};
}

unserved!(get_usage_costs);
