/* modbus_words.c - frames in words, for people who look at a line's diagnostics. Any bytes are allowed;
 * what cannot be decoded is said to be so. */
#include <stdarg.h>
#include <stdio.h>
#include "proto/modbus.h"

struct out {
    char *p;
    size_t cap, n;
    bool zh;
};

/* Both texts take the same arguments in the same order. */
__attribute__((format(printf, 2, 4))) __attribute__((format(printf, 3, 4))) static void
say(struct out *o, const char *en, const char *zh, ...)
{
    va_list ap;
    if (o->n + 1 >= o->cap) return;
    va_start(ap, zh);
    int k = vsnprintf(o->p + o->n, o->cap - o->n, o->zh ? zh : en, ap);
    va_end(ap);
    if (k > 0) o->n += (size_t)k < o->cap - o->n ? (size_t)k : o->cap - o->n - 1;
}

static const struct {
    const char *en, *zh;
    int area; /* -1: none */
} names[] = {
    [MODBUS_READ_COILS] = {"read coils", "读线圈", MODBUS_COIL},
    [MODBUS_READ_DISCRETE] = {"read discrete inputs", "读离散输入", MODBUS_DISCRETE},
    [MODBUS_READ_HOLDING] = {"read holding registers", "读保持寄存器", MODBUS_HOLDING},
    [MODBUS_READ_INPUT] = {"read input registers", "读输入寄存器", MODBUS_INPUT},
    [MODBUS_WRITE_COIL] = {"write coil", "写单个线圈", MODBUS_COIL},
    [MODBUS_WRITE_REGISTER] = {"write register", "写单个寄存器", MODBUS_HOLDING},
    [MODBUS_WRITE_COILS] = {"write coils", "写多个线圈", MODBUS_COIL},
    [MODBUS_WRITE_REGISTERS] = {"write registers", "写多个寄存器", MODBUS_HOLDING},
    [MODBUS_MASK_WRITE] = {"mask write register", "屏蔽写寄存器", MODBUS_HOLDING},
    [MODBUS_READ_WRITE] = {"read/write registers", "读写多个寄存器", MODBUS_HOLDING},
};

static const char *function_name(unsigned fc, bool zh)
{
    if (fc == MODBUS_DIAGNOSTICS) return zh ? "诊断" : "diagnostics";
    if (fc == MODBUS_TRANSPORT) return zh ? "设备标识" : "device identification";
    bool known = fc < sizeof names / sizeof *names && names[fc].en;
    if (!known) return zh ? "未知功能" : "unknown function";
    return zh ? names[fc].zh : names[fc].en;
}

/* ---- diagnostics and identification ---- */

static const struct {
    const char *en, *zh;
} diagnostics[] = {
    [0] = {"echo", "回送"},
    [1] = {"restart communication", "重启通信"},
    [2] = {"diagnostic register", "诊断寄存器"},
    [3] = {"change ASCII delimiter", "更改 ASCII 分隔符"},
    [4] = {"force listen only", "强制只听"},
    [10] = {"clear counters", "计数清零"},
    [11] = {"bus messages", "总线报文数"},
    [12] = {"communication errors", "通信错误数"},
    [13] = {"exceptions", "异常应答数"},
    [14] = {"messages served", "本站处理数"},
    [15] = {"messages without answer", "未应答数"},
    [16] = {"NAKs", "NAK 数"},
    [17] = {"busy answers", "忙应答数"},
    [18] = {"character overruns", "字符溢出数"},
    [20] = {"clear overrun counter", "溢出计数清零"},
};
static const char *const id_objects[][2] = {
    {"vendor", "厂商"}, {"product code", "产品代码"}, {"revision", "版本"}, {"URL", "网址"}, {"product name", "产品"},
    {"model", "型号"},  {"application", "应用"},
};

static void say_diagnostics(struct out *o, bool request, const uint8_t *pdu, size_t n)
{
    unsigned sub = n >= 3 ? modbus_register(pdu + 1, 0) : 0;
    bool known = sub < sizeof diagnostics / sizeof *diagnostics && diagnostics[sub].en;
    say(o, request ? "diagnostics (function 8)" : "answer: diagnostics (function 8)",
        request ? "诊断（功能码 8）" : "应答：诊断（功能码 8）");
    if (n < 5) {
        say(o, ", badly formed", "，格式错误");
        return;
    }
    say(o, ", %u", "，%u", sub);
    if (known) say(o, " %s%.0s", " %.0s%s", diagnostics[sub].en, diagnostics[sub].zh);
    for (size_t i = 3; i + 1 < n; i += 2) say(o, "%s%04X", "%s%04X", i > 3 ? " " : ": ", modbus_register(pdu + i, 0));
}

static void say_objects(struct out *o, const uint8_t *pdu, size_t n)
{
    size_t at = 7;
    for (unsigned i = 0; i < pdu[6] && at + 2 <= n && at + 2 + pdu[at + 1] <= n; i++) {
        unsigned id = pdu[at], len = pdu[at + 1];
        bool known = id < sizeof id_objects / sizeof *id_objects;
        say(o, "%s", "%s", i ? "; " : ": ");
        if (known) say(o, "%s%.0s ", "%.0s%s ", id_objects[id][0], id_objects[id][1]);
        if (!known) say(o, "%u ", "%u ", id);
        for (unsigned k = 0; k < len; k++) {
            uint8_t c = pdu[at + 2 + k];
            say(o, "%c", "%c", c >= ' ' && c < 127 ? c : '.');
        }
        at += 2u + len;
    }
}

static void say_transport(struct out *o, bool request, const uint8_t *pdu, size_t n)
{
    bool id = n >= 3 && pdu[1] == 14;
    say(o, request ? "%s%.0s (function 43)" : "answer: %s%.0s (function 43)",
        request ? "%.0s%s（功能码 43）" : "应答：%.0s%s（功能码 43）",
        id ? "device identification" : "encapsulated transport", id ? "设备标识" : "封装传输");
    if (id && request && n >= 4) say(o, ", code %u from object %u", "，读取码 %u，起始对象 %u", pdu[2], pdu[3]);
    if (id && !request && n >= 7) say_objects(o, pdu, n);
}

static void say_registers(struct out *o, const uint8_t *data, size_t bytes)
{
    for (size_t i = 0; i < bytes / 2; i++) say(o, "%s%04X", "%s%04X", i ? " " : ": ", modbus_register(data, i));
}

static void say_bits(struct out *o, const uint8_t *data, size_t bytes)
{
    say(o, ": ", "：");
    for (size_t i = 0; i < bytes * 8; i++) say(o, "%u%s", "%u%s", modbus_bit(data, i), i % 8 == 7 ? " " : "");
}

static void say_place(struct out *o, const struct modbus_request *q)
{
    unsigned area = (unsigned)names[q->function].area;
    say(o, ", %u from %u%05u (0x%04X)", "，%u 个，起始 %u%05u（0x%04X）", q->count, area, q->address + 1u, q->address);
}

static bool say_about(struct out *o, bool request, const uint8_t *pdu, size_t n)
{
    if (pdu[0] == MODBUS_DIAGNOSTICS)
        say_diagnostics(o, request, pdu, n);
    else if (pdu[0] == MODBUS_TRANSPORT)
        say_transport(o, request, pdu, n);
    else
        return false;
    return true;
}

static void say_request(struct out *o, const uint8_t *pdu, size_t n)
{
    struct modbus_request q;
    if (say_about(o, true, pdu, n)) return;
    int ex = modbus_request_decode(pdu, n, &q);
    say(o, "%s (function %u)", "%s（功能码 %u）", function_name(pdu[0], o->zh), pdu[0]);
    if (ex) {
        say(o, ", badly formed", "，格式错误");
        return;
    }
    say_place(o, &q);
    if (q.function == MODBUS_WRITE_COIL || q.function == MODBUS_WRITE_REGISTER) say(o, " = %u", " = %u", q.value);
    if (q.function == MODBUS_MASK_WRITE) say(o, ", and %04X or %04X", "，与 %04X 或 %04X", q.and_mask, q.or_mask);
    if (q.function == MODBUS_WRITE_COILS) say_bits(o, q.data, q.data_n);
    if (q.function == MODBUS_READ_WRITE)
        say(o, ", writes %u from 4%05u", "，写 %u 个，起始 4%05u", q.write_count, q.write_address + 1u);
    if (q.function == MODBUS_WRITE_REGISTERS || q.function == MODBUS_READ_WRITE) say_registers(o, q.data, q.data_n);
}

static void say_answer_data(struct out *o, const uint8_t *pdu, size_t n)
{
    bool bits = pdu[0] <= MODBUS_READ_DISCRETE;
    if (n < 2 || n != 2u + pdu[1]) {
        say(o, ", byte count does not fit the length", "，字节数与长度不符");
        return;
    }
    say(o, ", %u bytes", "，%u 字节", pdu[1]);
    if (bits)
        say_bits(o, pdu + 2, n - 2);
    else
        say_registers(o, pdu + 2, n - 2);
}

static void say_answer(struct out *o, const uint8_t *pdu, size_t n)
{
    unsigned fc = pdu[0] & 0x7f;
    bool data = (fc >= MODBUS_READ_COILS && fc <= MODBUS_READ_INPUT) || fc == MODBUS_READ_WRITE;
    if (say_about(o, false, pdu, n)) return;
    if (pdu[0] & 0x80) {
        unsigned code = n > 1 ? pdu[1] : 0;
        say(o, "refused: %s (function %u): %s (exception %u)", "拒绝：%s（功能码 %u）：%s（异常码 %u）",
            function_name(fc, o->zh), fc, modbus_exception_text(code, o->zh), code);
        return;
    }
    say(o, "answer: %s (function %u)", "应答：%s（功能码 %u）", function_name(fc, o->zh), fc);
    if (data)
        say_answer_data(o, pdu, n);
    else if (n >= 5)
        say(o, ", address %u, %u", "，地址 %u，%u", modbus_register(pdu + 1, 0), modbus_register(pdu + 1, 1));
}

static void say_tcp(struct out *o, bool request, const uint8_t *p, size_t n)
{
    unsigned len = (unsigned)p[4] << 8 | p[5], protocol = (unsigned)p[2] << 8 | p[3];
    say(o, "transaction %u, station %u: ", "事务 %u，站 %u：", (unsigned)p[0] << 8 | p[1], p[6]);
    if (protocol) say(o, "protocol %u is not 0; ", "协议标识 %u 不是 0；", protocol);
    if (len + 6 != n) say(o, "length field %u but %zu bytes follow; ", "长度字段 %u，实际 %zu 字节；", len, n - 6);
    if (request)
        say_request(o, p + MODBUS_MBAP, n - MODBUS_MBAP);
    else
        say_answer(o, p + MODBUS_MBAP, n - MODBUS_MBAP);
}

static void say_rtu(struct out *o, bool request, const uint8_t *p, size_t n)
{
    bool good = modbus_crc(p, n - 2) == (uint16_t)(p[n - 2] | p[n - 1] << 8);
    say(o, "station %u: ", "站 %u：", p[0]);
    if (!good) say(o, "CRC wrong; ", "CRC 错误；");
    if (request)
        say_request(o, p + 1, n - 3);
    else
        say_answer(o, p + 1, n - 3);
}

static void say_ascii(struct out *o, bool request, const uint8_t *p, size_t n)
{
    struct modbus_frame f;
    if (modbus_frame_next(MODBUS_ASCII, p, n, NULL, &f) != 1) {
        say(o, "no whole ASCII frame, or its LRC is wrong: ", "不是完整的 ASCII 帧或 LRC 错误：");
        for (size_t i = 0; i < n && i < 80; i++) say(o, "%c", "%c", p[i] >= ' ' && p[i] < 127 ? p[i] : '.');
        return;
    }
    say(o, "station %u: ", "站 %u：", f.unit);
    if (request)
        say_request(o, f.pdu, f.pdu_n);
    else
        say_answer(o, f.pdu, f.pdu_n);
}

static void trim_utf8(struct out *o)
{
    size_t n = o->n;
    while (n > 0 && (o->p[n - 1] & 0xC0) == 0x80) n--;
    if (n == 0) return;
    unsigned char lead = (unsigned char)o->p[n - 1];
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (o->n - (n - 1) < want) o->p[n - 1] = 0;
}

void modbus_words(enum modbus_framing f, bool request, const uint8_t *p, size_t n, bool zh, char *out, size_t cap)
{
    struct out o = {out, cap, 0, zh};
    if (cap == 0) return;
    out[0] = 0;
    if (n < (f == MODBUS_TCP ? MODBUS_MBAP + 1u : 4u))
        say(&o, "%zu bytes, too short for a frame", "%zu 字节，不足一帧", n);
    else if (f == MODBUS_TCP)
        say_tcp(&o, request, p, n);
    else if (f == MODBUS_ASCII)
        say_ascii(&o, request, p, n);
    else
        say_rtu(&o, request, p, n);
    trim_utf8(&o);
}
