import dash
from dash import Input, Output, dcc, html

board = dash.Dash("board")
board.layout = html.Div([dcc.Input(id="text", value=""), html.Div(id="said"), dcc.Graph(id="graph")])


@board.callback(Output("said", "children"), Input("text", "value"))
def say(value):
    return f"it is {value}"


application = board.server
