"""Where the directives of mod_md, and of traces, may stand, for the table of `test_core`."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import Where

#: (httpd takes all of them for servers and hosts. What may stand in <MDomainSet> counts here as in a directory, and is
#: refused in one by its own code)
MD_CONTEXTS = {
    (Where.SERVER | Where.VHOST, Override.NONE): "<MDomain <MDomainSet MDomain",
    (Where.SERVER | Where.VHOST | Where.DIRECTORY, Override.NONE): (
        "MDCAChallenges MDCertificateAgreement MDCertificateAuthority MDCertificateFile MDCertificateKeyFile "
        "MDCertificateProtocol MDChallengeDns01 MDContactEmail MDDriveMode MDExternalAccountBinding MDMember MDMembers "
        "MDMustStaple MDPrivateKeys MDProfile MDProfileMandatory MDRenewMode MDRenewViaARI MDRenewWindow "
        "MDRequireHttps MDStapling MDWarnWindow"
    ),
    (Where.SERVER, Override.NONE): (
        "MDActivationDelay MDBaseServer MDCACertificateFile MDCertificateCheck MDCertificateMonitor "
        "MDCertificateStatus MDChallengeDns01Version MDCheckInterval MDHttpProxy MDInitialDelay MDMatchNames "
        "MDMessageCmd MDNotifyCmd MDPortMap MDRetryDelay MDRetryFailover MDServerStatus MDStapleOthers "
        "MDStaplingKeepResponse MDStaplingRenewWindow MDStoreDir MDStoreLocks"
    ),
}

TRACING_CONTEXTS = {
    (Where.SERVER | Where.VHOST, Override.NONE): "TraceContext TraceSampling TraceServiceName",
    (Where.SERVER, Override.NONE): "TraceExport",
}
