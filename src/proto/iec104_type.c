/* iec104_type.c - the table of types: IEC 60870-5-101 clause 7.3, IEC 60870-5-104 clause 8. */
#include "proto/iec104.h"

#define MON IEC104_MONITOR
#define CTL IEC104_CONTROL
#define BTH IEC104_BOTH

/* clang-format off */
static const struct iec104_type types[] = {
    /* id form               tail            stamp           dir  family name */
    {1,   IEC104_SINGLE,     IEC104_NO_TAIL, IEC104_NO_TIME, MON, 1,   "M_SP_NA_1", "single point", "单点信息"},
    {2,   IEC104_SINGLE,     IEC104_NO_TAIL, IEC104_CP24,    MON, 1,   "M_SP_TA_1", "single point, short time", "带短时标的单点信息"},
    {3,   IEC104_DOUBLE,     IEC104_NO_TAIL, IEC104_NO_TIME, MON, 3,   "M_DP_NA_1", "double point", "双点信息"},
    {4,   IEC104_DOUBLE,     IEC104_NO_TAIL, IEC104_CP24,    MON, 3,   "M_DP_TA_1", "double point, short time", "带短时标的双点信息"},
    {5,   IEC104_STEP,       IEC104_QDS,     IEC104_NO_TIME, MON, 5,   "M_ST_NA_1", "step position", "步位置信息"},
    {6,   IEC104_STEP,       IEC104_QDS,     IEC104_CP24,    MON, 5,   "M_ST_TA_1", "step position, short time", "带短时标的步位置信息"},
    {7,   IEC104_BITS,       IEC104_QDS,     IEC104_NO_TIME, MON, 7,   "M_BO_NA_1", "32 bits", "32 比特串"},
    {8,   IEC104_BITS,       IEC104_QDS,     IEC104_CP24,    MON, 7,   "M_BO_TA_1", "32 bits, short time", "带短时标的 32 比特串"},
    {9,   IEC104_NORMALIZED, IEC104_QDS,     IEC104_NO_TIME, MON, 9,   "M_ME_NA_1", "normalized value", "归一化测量值"},
    {10,  IEC104_NORMALIZED, IEC104_QDS,     IEC104_CP24,    MON, 9,   "M_ME_TA_1", "normalized value, short time", "带短时标的归一化测量值"},
    {11,  IEC104_SCALED,     IEC104_QDS,     IEC104_NO_TIME, MON, 11,  "M_ME_NB_1", "scaled value", "标度化测量值"},
    {12,  IEC104_SCALED,     IEC104_QDS,     IEC104_CP24,    MON, 11,  "M_ME_TB_1", "scaled value, short time", "带短时标的标度化测量值"},
    {13,  IEC104_FLOAT,      IEC104_QDS,     IEC104_NO_TIME, MON, 13,  "M_ME_NC_1", "float value", "短浮点测量值"},
    {14,  IEC104_FLOAT,      IEC104_QDS,     IEC104_CP24,    MON, 13,  "M_ME_TC_1", "float value, short time", "带短时标的短浮点测量值"},
    {15,  IEC104_COUNTER,    IEC104_NO_TAIL, IEC104_NO_TIME, MON, 15,  "M_IT_NA_1", "counter", "累计量"},
    {16,  IEC104_COUNTER,    IEC104_NO_TAIL, IEC104_CP24,    MON, 15,  "M_IT_TA_1", "counter, short time", "带短时标的累计量"},
    {17,  IEC104_PROTECTION, IEC104_ELAPSED, IEC104_CP24,    MON, 17,  "M_EP_TA_1", "protection event, short time", "带短时标的继电保护事件"},
    {18,  IEC104_PACKED,     IEC104_QDP,     IEC104_CP24,    MON, 18,  "M_EP_TB_1", "protection starts, short time", "带短时标的继电保护成组启动事件"},
    {19,  IEC104_PACKED,     IEC104_QDP,     IEC104_CP24,    MON, 19,  "M_EP_TC_1", "protection output circuits, short time", "带短时标的继电保护成组输出电路信息"},
    {20,  IEC104_CHANGES,    IEC104_QDS,     IEC104_NO_TIME, MON, 20,  "M_PS_NA_1", "16 single points with changes", "带变位检出的成组单点信息"},
    {21,  IEC104_NORMALIZED, IEC104_NO_TAIL, IEC104_NO_TIME, MON, 9,   "M_ME_ND_1", "normalized value without quality", "不带品质描述的归一化测量值"},
    {30,  IEC104_SINGLE,     IEC104_NO_TAIL, IEC104_CP56,    MON, 1,   "M_SP_TB_1", "single point, time", "带时标的单点信息"},
    {31,  IEC104_DOUBLE,     IEC104_NO_TAIL, IEC104_CP56,    MON, 3,   "M_DP_TB_1", "double point, time", "带时标的双点信息"},
    {32,  IEC104_STEP,       IEC104_QDS,     IEC104_CP56,    MON, 5,   "M_ST_TB_1", "step position, time", "带时标的步位置信息"},
    {33,  IEC104_BITS,       IEC104_QDS,     IEC104_CP56,    MON, 7,   "M_BO_TB_1", "32 bits, time", "带时标的 32 比特串"},
    {34,  IEC104_NORMALIZED, IEC104_QDS,     IEC104_CP56,    MON, 9,   "M_ME_TD_1", "normalized value, time", "带时标的归一化测量值"},
    {35,  IEC104_SCALED,     IEC104_QDS,     IEC104_CP56,    MON, 11,  "M_ME_TE_1", "scaled value, time", "带时标的标度化测量值"},
    {36,  IEC104_FLOAT,      IEC104_QDS,     IEC104_CP56,    MON, 13,  "M_ME_TF_1", "float value, time", "带时标的短浮点测量值"},
    {37,  IEC104_COUNTER,    IEC104_NO_TAIL, IEC104_CP56,    MON, 15,  "M_IT_TB_1", "counter, time", "带时标的累计量"},
    {38,  IEC104_PROTECTION, IEC104_ELAPSED, IEC104_CP56,    MON, 17,  "M_EP_TD_1", "protection event, time", "带时标的继电保护事件"},
    {39,  IEC104_PACKED,     IEC104_QDP,     IEC104_CP56,    MON, 18,  "M_EP_TE_1", "protection starts, time", "带时标的继电保护成组启动事件"},
    {40,  IEC104_PACKED,     IEC104_QDP,     IEC104_CP56,    MON, 19,  "M_EP_TF_1", "protection output circuits, time", "带时标的继电保护成组输出电路信息"},
    {45,  IEC104_COMMAND1,   IEC104_NO_TAIL, IEC104_NO_TIME, CTL, 45,  "C_SC_NA_1", "single command", "单命令"},
    {46,  IEC104_COMMAND2,   IEC104_NO_TAIL, IEC104_NO_TIME, CTL, 46,  "C_DC_NA_1", "double command", "双命令"},
    {47,  IEC104_COMMAND2,   IEC104_NO_TAIL, IEC104_NO_TIME, CTL, 47,  "C_RC_NA_1", "regulating step command", "步调节命令"},
    {48,  IEC104_NORMALIZED, IEC104_QOS,     IEC104_NO_TIME, CTL, 48,  "C_SE_NA_1", "set-point, normalized", "归一化设定命令"},
    {49,  IEC104_SCALED,     IEC104_QOS,     IEC104_NO_TIME, CTL, 49,  "C_SE_NB_1", "set-point, scaled", "标度化设定命令"},
    {50,  IEC104_FLOAT,      IEC104_QOS,     IEC104_NO_TIME, CTL, 50,  "C_SE_NC_1", "set-point, float", "短浮点设定命令"},
    {51,  IEC104_BITS,       IEC104_NO_TAIL, IEC104_NO_TIME, CTL, 51,  "C_BO_NA_1", "command of 32 bits", "32 比特串命令"},
    {58,  IEC104_COMMAND1,   IEC104_NO_TAIL, IEC104_CP56,    CTL, 45,  "C_SC_TA_1", "single command, time", "带时标的单命令"},
    {59,  IEC104_COMMAND2,   IEC104_NO_TAIL, IEC104_CP56,    CTL, 46,  "C_DC_TA_1", "double command, time", "带时标的双命令"},
    {60,  IEC104_COMMAND2,   IEC104_NO_TAIL, IEC104_CP56,    CTL, 47,  "C_RC_TA_1", "regulating step command, time", "带时标的步调节命令"},
    {61,  IEC104_NORMALIZED, IEC104_QOS,     IEC104_CP56,    CTL, 48,  "C_SE_TA_1", "set-point, normalized, time", "带时标的归一化设定命令"},
    {62,  IEC104_SCALED,     IEC104_QOS,     IEC104_CP56,    CTL, 49,  "C_SE_TB_1", "set-point, scaled, time", "带时标的标度化设定命令"},
    {63,  IEC104_FLOAT,      IEC104_QOS,     IEC104_CP56,    CTL, 50,  "C_SE_TC_1", "set-point, float, time", "带时标的短浮点设定命令"},
    {64,  IEC104_BITS,       IEC104_NO_TAIL, IEC104_CP56,    CTL, 51,  "C_BO_TA_1", "command of 32 bits, time", "带时标的 32 比特串命令"},
    {70,  IEC104_BYTE,       IEC104_NO_TAIL, IEC104_NO_TIME, MON, 70,  "M_EI_NA_1", "end of initialization", "初始化结束"},
    {100, IEC104_BYTE,       IEC104_NO_TAIL, IEC104_NO_TIME, BTH, 100, "C_IC_NA_1", "interrogation", "召唤命令"},
    {101, IEC104_BYTE,       IEC104_NO_TAIL, IEC104_NO_TIME, BTH, 101, "C_CI_NA_1", "counter interrogation", "累计量召唤命令"},
    {102, IEC104_NOTHING,    IEC104_NO_TAIL, IEC104_NO_TIME, BTH, 102, "C_RD_NA_1", "read", "读命令"},
    {103, IEC104_NOTHING,    IEC104_NO_TAIL, IEC104_CP56,    BTH, 103, "C_CS_NA_1", "clock synchronization", "时钟同步命令"},
    {104, IEC104_WORD,       IEC104_NO_TAIL, IEC104_NO_TIME, BTH, 104, "C_TS_NA_1", "test", "测试命令"},
    {105, IEC104_BYTE,       IEC104_NO_TAIL, IEC104_NO_TIME, BTH, 105, "C_RP_NA_1", "reset process", "复位进程命令"},
    {106, IEC104_WORD,       IEC104_NO_TAIL, IEC104_NO_TIME, BTH, 106, "C_CD_NA_1", "delay acquisition", "延时获得命令"},
    {107, IEC104_WORD,       IEC104_NO_TAIL, IEC104_CP56,    BTH, 104, "C_TS_TA_1", "test, time", "带时标的测试命令"},
};
/* clang-format on */
#define NTYPES (sizeof types / sizeof *types)

static const uint8_t form_bytes[] = {
    [IEC104_NOTHING] = 0,  [IEC104_SINGLE] = 1,     [IEC104_DOUBLE] = 1,     [IEC104_STEP] = 1,
    [IEC104_BITS] = 4,     [IEC104_NORMALIZED] = 2, [IEC104_SCALED] = 2,     [IEC104_FLOAT] = 4,
    [IEC104_COUNTER] = 5,  [IEC104_CHANGES] = 4,    [IEC104_PROTECTION] = 1, [IEC104_PACKED] = 1,
    [IEC104_COMMAND1] = 1, [IEC104_COMMAND2] = 1,   [IEC104_BYTE] = 1,       [IEC104_WORD] = 2,
};
static const uint8_t tail_bytes[] = {
    [IEC104_NO_TAIL] = 0, [IEC104_QDS] = 1, [IEC104_QDP] = 3, [IEC104_ELAPSED] = 2, [IEC104_QOS] = 1};
static const uint8_t stamp_bytes[] = {[IEC104_NO_TIME] = 0, [IEC104_CP24] = 3, [IEC104_CP56] = 7};

const struct iec104_type *iec104_type(unsigned id)
{
    for (size_t i = 0; i < NTYPES; i++)
        if (types[i].id == id) return &types[i];
    return NULL;
}

size_t iec104_element_size(const struct iec104_type *t)
{
    return (size_t)form_bytes[t->form] + tail_bytes[t->tail] + stamp_bytes[t->stamp];
}

const struct iec104_type *iec104_type_stamped(const struct iec104_type *t, enum iec104_stamp stamp)
{
    for (size_t i = 0; i < NTYPES; i++)
        if (types[i].family == t->family && types[i].stamp == stamp && types[i].id != 21) return &types[i];
    return NULL;
}

const struct iec104_type *iec104_type_parse(struct str s, bool *ret_exact)
{
    uint64_t id;
    *ret_exact = true;
    if (str_to_u64(s, &id) == 0) return id < 256 ? iec104_type((unsigned)id) : NULL;
    for (size_t i = 0; i < NTYPES; i++)
        if (str_ieq(s, str_of(types[i].name))) return &types[i];
    *ret_exact = false;
    for (size_t i = 0; i < NTYPES; i++) { /* "M_SP_NA"; "M_SP": the first, plain type */
        struct str name = str_of(types[i].name);
        if (str_ieq(s, str_sub(name, 0, 7)) || str_ieq(s, str_sub(name, 0, 4))) return &types[i];
    }
    return NULL;
}
