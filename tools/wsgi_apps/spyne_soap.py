from spyne import Application, Integer, ServiceBase, Unicode, rpc
from spyne.protocol.soap import Soap11
from spyne.server.wsgi import WsgiApplication


class Hello(ServiceBase):
    @rpc(Unicode, Integer, _returns=Unicode)
    def hello(ctx, name, times):
        return f"hello {name} " * times


application = WsgiApplication(
    Application([Hello], "urn:hello", in_protocol=Soap11(validator="lxml"), out_protocol=Soap11())
)
