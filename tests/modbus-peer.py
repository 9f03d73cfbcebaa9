"""Modbus servers that we did not write (pymodbus, as Debian packages it): RTU and ASCII on serial lines made of two pseudo
terminals with a cable in between, and the framings over TCP and UDP. All hold the same data: units 1 and 2, and 3 with 4000 of each.

Prints one line of JSON with the ports. Commands on stdin, one a line, each answered by one line of JSON:
  get UNIT ADDRESS        holding register
  set UNIT ADDRESS VALUE
  fill UNIT FUNCTION ADDRESS HEX          registers (function 3 or 4) or, a byte each, bits (1 or 2)
  dump UNIT FUNCTION ADDRESS COUNT        the same back, as hex
  cable LINE noise|half|echo|cut|ok    what happens to bytes on the way from the server (echo: to those going there)
"""
import asyncio
import json
import os
import sys
import tty

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.framer.ascii_framer import ModbusAsciiFramer
from pymodbus.framer.rtu_framer import ModbusRtuFramer
from pymodbus.framer.socket_framer import ModbusSocketFramer
from pymodbus.server import StartAsyncSerialServer, StartAsyncTcpServer, StartAsyncUdpServer


def big():
    """Unit 3: empty, with room."""
    return ModbusSlaveContext(**{k: ModbusSequentialDataBlock(0, [0] * 4000) for k in ("di", "co", "ir", "hr")}, zero_mode=True)


def unit(base):
    return ModbusSlaveContext(
        di=ModbusSequentialDataBlock(0, [1, 0] * 100),
        co=ModbusSequentialDataBlock(0, [0] * 200),
        ir=ModbusSequentialDataBlock(0, [base + 500 + i for i in range(200)]),
        hr=ModbusSequentialDataBlock(0, [base + i for i in range(200)]),
        zero_mode=True,
    )


class Cable:
    """Two pseudo terminals: the server opens `far`, the other side `near`."""

    def __init__(self, loop):
        self.mode = "ok"
        self.masters = []
        self.names = []
        self.keep = []
        for _ in range(2):
            m, s = os.openpty()
            tty.setraw(s)
            os.set_blocking(m, False)
            self.masters.append(m)
            self.keep.append(s)
            self.names.append(os.ttyname(s))
        self.far, self.near = self.names
        loop.add_reader(self.masters[0], self.from_server)
        loop.add_reader(self.masters[1], self.to_server)

    def from_server(self):
        data = os.read(self.masters[0], 4096)
        if self.mode == "cut":
            return
        if self.mode == "half":
            data = data[: len(data) // 2]
        if self.mode == "noise":
            data = b"\xff\x00\x13" + data
        os.write(self.masters[1], data)

    def to_server(self):
        data = os.read(self.masters[1], 4096)
        if self.mode == "echo":
            os.write(self.masters[1], data)
        if self.mode != "cut":
            os.write(self.masters[0], data)


async def started(coroutine):
    server = await coroutine
    task = asyncio.create_task(server.serve_forever())
    await server.serving
    return server, task


async def main():
    loop = asyncio.get_running_loop()
    context = ModbusServerContext(slaves={1: unit(1000), 2: unit(2000), 3: big()}, single=False)
    cables = {"rtu": Cable(loop), "ascii": Cable(loop)}
    ports = {name: c.near for name, c in cables.items()}
    held = []
    for name, framer in (("rtu", ModbusRtuFramer), ("ascii", ModbusAsciiFramer)):
        server = await StartAsyncSerialServer(
            context=context, framer=framer, port=cables[name].far, baudrate=115200, defer_start=True, ignore_missing_slaves=True, broadcast_enable=True
        )
        await server.start()
        held.append(server)
    for name, framer in (("tcp_rtu", ModbusRtuFramer), ("tcp_ascii", ModbusAsciiFramer)):
        server, task = await started(
            StartAsyncTcpServer(context=context, framer=framer, address=("127.0.0.1", 0), defer_start=True, ignore_missing_slaves=True)
        )
        ports[name] = server.server.sockets[0].getsockname()[1]
        held += [server, task]
    for name, framer in (("udp", ModbusSocketFramer), ("udp_rtu", ModbusRtuFramer)):
        server, task = await started(
            StartAsyncUdpServer(context=context, framer=framer, address=("127.0.0.1", 0), defer_start=True, ignore_missing_slaves=True)
        )
        ports[name] = server.protocol.get_extra_info("sockname")[1]
        held += [server, task]
    print(json.dumps(ports), flush=True)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().split():
        if line[0] == "get":
            print(json.dumps(context[int(line[1])].getValues(3, int(line[2]), 1)[0]), flush=True)
        elif line[0] == "set":
            context[int(line[1])].setValues(3, int(line[2]), [int(line[3])])
            print("true", flush=True)
        elif line[0] == "fill":
            raw, f = bytes.fromhex(line[4]), int(line[2])
            values = list(raw) if f < 3 else [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]
            context[int(line[1])].setValues(f, int(line[3]), values)
            print("true", flush=True)
        elif line[0] == "dump":
            f = int(line[2])
            values = context[int(line[1])].getValues(f, int(line[3]), int(line[4]))
            print(json.dumps(b"".join(int(v).to_bytes(1 if f < 3 else 2, "big") for v in values).hex()), flush=True)
        elif line[0] == "cable":
            cables[line[1]].mode = line[2]
            print("true", flush=True)
    os._exit(0)


asyncio.run(main())
