from pyramid.config import Configurator

import kinto

config = Configurator(
    settings={
        "kinto.storage_backend": "kinto.core.storage.memory",
        "kinto.cache_backend": "kinto.core.cache.memory",
        "kinto.permission_backend": "kinto.core.permission.memory",
        "kinto.userid_hmac_secret": "only for this",
        "kinto.bucket_create_principals": "system.Everyone",
        "multiauth.policies": "basicauth",
        "kinto.includes": "",
    }
)
application = kinto.main({}, **config.registry.settings)
