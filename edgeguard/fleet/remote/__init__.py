"""Scripts that run on a device with its own Python, before edgeguard is there: standard library only, Python 3.8.

Each has ``main(request, payload)``: a JSON object and a stream of bytes in, a JSON object out. One that will not do
what it is asked raises its own ``Refused(what, fix)``. :mod:`edgeguard.fleet.remote_call` sends and runs them.
"""
