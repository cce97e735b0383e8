//! Asks accounts and access list at each connection, subscription and message.

use std::sync::Arc;

use async_trait::async_trait;
use rmqtt::codec::v5::SubscribeAckReason;
use rmqtt::context::ServerContext;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType, Type};
use rmqtt::types::{AuthResult, ConnectInfo, LastWill, PublishAclResult, Subscribe, SubscribeAclResult};

use crate::access::{may_hear, may_say};
use crate::account::Accounts;

/// What is asked before anything is allowed.
#[derive(Clone)]
pub(crate) struct Gate {
    accounts: Arc<Accounts>,
}

impl Gate {
    /// Sees to it that everything is asked from now on.
    pub(crate) async fn open(scx: &ServerContext, accounts: Accounts) {
        let gate = Self { accounts: Arc::new(accounts) };
        let register = scx.extends.hook_mgr().register();
        for asked in [Type::ClientAuthenticate, Type::ClientSubscribeCheckAcl, Type::MessagePublishCheckAcl] {
            register.add(asked, Box::new(gate.clone())).await;
        }
        register.start().await;
    }

    fn come(&self, client: &ConnectInfo) -> AuthResult {
        let account = client.username().map_or("", AsRef::as_ref);
        let password = client.password().map_or(&[][..], AsRef::as_ref);
        if !self.accounts.is_known(account, password) {
            return AuthResult::BadUsernameOrPassword;
        }
        // A will is not asked about again when it is said.
        let will = client.last_will().is_none_or(|will| match will {
            LastWill::V3(will) => may_say(account, &will.topic),
            LastWill::V5(will) => may_say(account, &will.topic),
        });
        if will { AuthResult::Allow(false, None) } else { AuthResult::NotAuthorized }
    }

    fn hear(account: &str, asked: &Subscribe) -> SubscribeAclResult {
        if may_hear(account, &asked.topic_filter, asked.is_shared()) {
            SubscribeAclResult::new_success(asked.opts.qos(), None)
        } else {
            SubscribeAclResult::new_failure(SubscribeAckReason::NotAuthorized)
        }
    }

    fn say(account: &str, topic: &str) -> PublishAclResult {
        // Acknowledged and dropped, as mosquitto does; it would hang up with `true`.
        if may_say(account, topic) { PublishAclResult::allow() } else { PublishAclResult::rejected(false, None) }
    }
}

#[async_trait]
#[expect(elided_lifetimes_in_paths, reason = "the trait's own macro cannot match a lifetime that is named")]
impl Handler for Gate {
    async fn hook(&self, asked: &Parameter, answer: Option<HookResult>) -> ReturnType {
        if let Parameter::ClientAuthenticate(client) = asked {
            return (false, Some(HookResult::AuthResult(self.come(client))));
        }
        if let Parameter::ClientSubscribeCheckAcl(session, subscribe) = asked {
            return (false, Some(HookResult::SubscribeAclResult(Self::hear(session.id.username_ref(), subscribe))));
        }
        if let Parameter::MessagePublishCheckAcl(session, message) = asked {
            return (false, Some(HookResult::PublishAclResult(Self::say(session.id.username_ref(), &message.topic))));
        }
        (true, answer)
    }
}
