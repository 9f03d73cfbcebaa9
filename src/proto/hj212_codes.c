/* hj212_codes.c - tables: commands (HJ 212-2017 table 9; those of 2005 that went away stand with it), codes of
 * pollutants (HJ 524, HJ 525 and annex B of HJ 212-2017; those of HJ/T 212-2005 after GB/T 16706), fields, results,
 * systems, data flags. Units as the standard's tables write them: a plant may report in another one. */
#include "bornite/sample.h"
#include "proto/hj212.h"

static const struct hj212_command commands[] = {
    {1000, HJ212_REQUEST, "set time-out and retries", "设置超时时间及重发次数"},
    {1011, HJ212_DATA, "time of the instrument", "提取现场机时间"},
    {1012, HJ212_REQUEST, "set the time of the instrument", "设置现场机时间"},
    {1013, HJ212_NOTICE, "request to set the time", "现场机时间校准请求"},
    {1021, HJ212_DATA, "alarm limits (2005)", "提取污染物报警门限值（2005）"},
    {1022, HJ212_REQUEST, "set alarm limits (2005)", "设置污染物报警门限值（2005）"},
    {1031, HJ212_DATA, "platform address (2005)", "提取上位机地址（2005）"},
    {1032, HJ212_REQUEST, "set the platform address (2005)", "设置上位机地址（2005）"},
    {1041, HJ212_DATA, "time of the daily report (2005)", "提取数据上报时间（2005）"},
    {1042, HJ212_REQUEST, "set the time of the daily report (2005)", "设置数据上报时间（2005）"},
    {1061, HJ212_DATA, "interval of real-time data", "提取实时数据间隔"},
    {1062, HJ212_REQUEST, "set the interval of real-time data", "设置实时数据间隔"},
    {1063, HJ212_DATA, "interval of minute data", "提取分钟数据间隔"},
    {1064, HJ212_REQUEST, "set the interval of minute data", "设置分钟数据间隔"},
    {1072, HJ212_REQUEST, "set the password", "设置现场机访问密码"},
    {2011, HJ212_DATA, "real-time data", "污染物实时数据"},
    {2012, HJ212_NOTICE, "stop real-time data", "停止察看污染物实时数据"},
    {2021, HJ212_DATA, "running state of equipment", "设备运行状态数据"},
    {2022, HJ212_NOTICE, "stop the running state", "停止察看设备运行状态"},
    {2031, HJ212_DATA, "daily data", "污染物日历史数据"},
    {2041, HJ212_DATA, "daily running time of equipment", "设备运行时间日历史数据"},
    {2051, HJ212_DATA, "minute data", "污染物分钟数据"},
    {2061, HJ212_DATA, "hourly data", "污染物小时数据"},
    {2071, HJ212_DATA, "alarm records (2005)", "污染物报警记录（2005）"},
    {2072, HJ212_UPLOAD, "alarm event (2005)", "上传报警事件（2005）"},
    {2081, HJ212_UPLOAD, "start of the instrument", "上传数采仪开机时间"},
    {3011, HJ212_REQUEST, "zero and span calibration", "零点校准量程校准"},
    {3012, HJ212_REQUEST, "take a sample now", "即时采样"},
    {3013, HJ212_REQUEST, "start cleaning or back-flushing", "启动清洗/反吹"},
    {3014, HJ212_REQUEST, "comparison sampling", "比对采样"},
    {3015, HJ212_DATA, "sample kept at an exceedance", "超标留样"},
    {3016, HJ212_REQUEST, "set the sampling period", "设置采样时间周期"},
    {3017, HJ212_DATA, "sampling period", "提取采样时间周期"},
    {3018, HJ212_DATA, "time from sample to value", "提取出样时间"},
    {3019, HJ212_DATA, "serial number of an instrument", "提取设备唯一标识"},
    {3020, HJ212_DATA, "information of the site", "提取现场机信息"},
    {3021, HJ212_REQUEST, "set a parameter of the site", "设置现场机参数"},
    {9011, HJ212_ANSWER, "answer to a request", "请求应答"},
    {9012, HJ212_ANSWER, "result of execution", "执行结果"},
    {9013, HJ212_ANSWER, "answer to a notice", "通知应答"},
    {9014, HJ212_ANSWER, "answer to data", "数据应答"},
};

static const struct hj212_code codes[] = {
    /* waste water */
    {"w00000", "flow", "瞬时流量", "L/s"},
    {"w00001", "total flow", "累计流量", "m³"},
    {"w01001", "pH", "pH 值", ""},
    {"w01002", "colour", "色度", "°"},
    {"w01006", "total dissolved solids", "溶解性总固体", "mg/L"},
    {"w01009", "dissolved oxygen", "溶解氧", "mg/L"},
    {"w01010", "water temperature", "水温", "℃"},
    {"w01012", "suspended solids", "悬浮物", "mg/L"},
    {"w01014", "conductivity", "电导率", "µS/cm"},
    {"w01017", "biochemical oxygen demand (5 days)", "五日生化需氧量", "mg/L"},
    {"w01018", "chemical oxygen demand", "化学需氧量", "mg/L"},
    {"w01019", "permanganate index", "高锰酸盐指数", "mg/L"},
    {"w01020", "total organic carbon", "总有机碳", "mg/L"},
    {"w02003", "faecal coliforms", "粪大肠菌群", "个/L"},
    {"w02006", "total bacteria", "细菌总数", "个/L"},
    {"w03001", "gross alpha activity", "总 α 放射性", "Bq/L"},
    {"w03002", "gross beta activity", "总 β 放射性", "Bq/L"},
    {"w19001", "surfactants", "表面活性剂", "mg/L"},
    {"w19002", "anionic surfactants", "阴离子表面活性剂", "mg/L"},
    {"w20012", "barium", "钡", "mg/L"},
    {"w20023", "boron", "硼", "mg/L"},
    {"w20038", "cobalt", "钴", "mg/L"},
    {"w20061", "molybdenum", "钼", "mg/L"},
    {"w20089", "thallium", "铊", "ng/L"},
    {"w20092", "tin", "锡", "mg/L"},
    {"w20111", "total mercury", "总汞", "µg/L"},
    {"w20113", "alkyl mercury", "烷基汞", "ng/L"},
    {"w20115", "total cadmium", "总镉", "µg/L"},
    {"w20116", "total chromium", "总铬", "mg/L"},
    {"w20117", "hexavalent chromium", "六价铬", "µg/L"},
    {"w20119", "total arsenic", "总砷", "µg/L"},
    {"w20120", "total lead", "总铅", "µg/L"},
    {"w20121", "total nickel", "总镍", "mg/L"},
    {"w20122", "total copper", "总铜", "mg/L"},
    {"w20123", "total zinc", "总锌", "mg/L"},
    {"w20124", "total manganese", "总锰", "mg/L"},
    {"w20125", "total iron", "总铁", "mg/L"},
    {"w20126", "total silver", "总银", "mg/L"},
    {"w20127", "total beryllium", "总铍", "µg/L"},
    {"w20128", "total selenium", "总硒", "µg/L"},
    {"w20138", "copper", "铜", "mg/L"},
    {"w20139", "zinc", "锌", "mg/L"},
    {"w20140", "selenium", "硒", "mg/L"},
    {"w20141", "arsenic", "砷", "mg/L"},
    {"w20142", "mercury", "汞", "µg/L"},
    {"w20143", "cadmium", "镉", "µg/L"},
    {"w20144", "lead", "铅", "mg/L"},
    {"w21001", "total nitrogen", "总氮", "mg/L"},
    {"w21003", "ammonia nitrogen", "氨氮", "mg/L"},
    {"w21004", "Kjeldahl nitrogen", "凯氏氮", "mg/L"},
    {"w21006", "nitrite", "亚硝酸盐", "mg/L"},
    {"w21007", "nitrate", "硝酸盐", "mg/L"},
    {"w21011", "total phosphorus", "总磷", "mg/L"},
    {"w21016", "cyanide", "氰化物（水）", "mg/L"},
    {"w21017", "fluoride", "氟化物（水）", "mg/L"},
    {"w21019", "sulfide", "硫化物", "mg/L"},
    {"w21022", "chloride", "氯化物", "mg/L"},
    {"w21038", "sulfate", "硫酸盐", "mg/L"},
    {"w22001", "petroleum", "石油类", "mg/L"},
    {"w23002", "volatile phenols", "挥发酚", "mg/L"},
    {"w25043", "benzo[a]pyrene", "苯并[α]芘", "µg/L"},
    {"w33001", "hexachlorocyclohexane", "六六六", "ng/L"},
    {"w33007", "DDT", "滴滴涕", "ng/L"},
    {"w99001", "organic nitrogen", "有机氮", "mg/L"},
    /* air and stack gas */
    {"a00000", "waste gas", "废气", "m³/s"},
    {"a01001", "temperature", "温度", "℃"},
    {"a01002", "humidity", "湿度", "%"},
    {"a01006", "air pressure", "气压", "kPa"},
    {"a01007", "wind speed", "风速", "m/s"},
    {"a01008", "wind direction", "风向", "°"},
    {"a01010", "Ringelmann blackness", "林格曼黑度", ""},
    {"a01011", "stack gas velocity", "烟气流速", "m/s"},
    {"a01012", "stack gas temperature", "烟气温度", "℃"},
    {"a01013", "stack gas pressure", "烟气压力", "kPa"},
    {"a01014", "stack gas humidity", "烟气湿度", "%"},
    {"a01015", "condenser temperature", "制冷温度", "℃"},
    {"a01016", "duct cross-section", "烟道截面积", "m²"},
    {"a01017", "stack gas dynamic pressure", "烟气动压", "kPa"},
    {"a01101", "stack gas differential pressure", "烟气差压", ""},
    {"a01901", "mean furnace temperature", "炉膛平均温度", "℃"},
    {"a01902", "furnace temperature of the DCS", "炉膛 DCS 温度", "℃"},
    {"a05001", "carbon dioxide", "二氧化碳", "mg/m³"},
    {"a05002", "methane", "甲烷", "ng/m³"},
    {"a05008", "trichlorofluoromethane", "三氯一氟甲烷", "mg/m³"},
    {"a05009", "dichlorodifluoromethane", "二氯二氟甲烷", "mg/m³"},
    {"a05013", "trichlorotrifluoroethane", "三氯三氟乙烷", "mg/m³"},
    {"a19001", "oxygen content", "氧气含量", "%"},
    {"a20007", "arsenic", "砷", "ng/m³"},
    {"a20016", "beryllium and its compounds", "铍及其化合物", "mg/m³"},
    {"a20025", "cadmium and its compounds", "镉及其化合物", "mg/m³"},
    {"a20026", "cadmium", "镉", "ng/m³"},
    {"a20043", "lead and its compounds", "铅及其化合物", "mg/m³"},
    {"a20044", "lead", "铅", "ng/m³"},
    {"a20057", "mercury and its compounds", "汞及其化合物", "mg/m³"},
    {"a20058", "mercury", "汞", "ng/m³"},
    {"a20063", "nickel and its compounds", "镍及其化合物", "mg/m³"},
    {"a20091", "tin and its compounds", "锡及其化合物", "mg/m³"},
    {"a21001", "ammonia", "氨", "ng/m³"},
    {"a21002", "nitrogen oxides", "氮氧化物", "mg/m³"},
    {"a21003", "nitric oxide", "一氧化氮", "mg/m³"},
    {"a21004", "nitrogen dioxide", "二氧化氮", "mg/m³"},
    {"a21005", "carbon monoxide", "一氧化碳", "mg/m³"},
    {"a21017", "cyanide", "氰化物（气）", "mg/m³"},
    {"a21018", "fluoride", "氟化物（气）", "mg/m³"},
    {"a21022", "chlorine", "氯气", "mg/m³"},
    {"a21024", "hydrogen chloride", "氯化氢", "mg/m³"},
    {"a21026", "sulfur dioxide", "二氧化硫", "mg/m³"},
    {"a21028", "hydrogen sulfide", "硫化氢", "mg/m³"},
    {"a23001", "phenols", "酚类", "mg/m³"},
    {"a24003", "dichloromethane", "二氯甲烷", "mg/m³"},
    {"a24004", "trichloromethane", "三氯甲烷", "mg/m³"},
    {"a24005", "tetrachloromethane", "四氯甲烷", "mg/m³"},
    {"a24006", "dibromochloromethane", "二溴一氯甲烷", "mg/m³"},
    {"a24007", "bromodichloromethane", "一溴二氯甲烷", "mg/m³"},
    {"a24008", "bromomethane", "溴甲烷", "mg/m³"},
    {"a24009", "tribromomethane", "三溴甲烷", "mg/m³"},
    {"a24015", "chloroethane", "氯乙烷", "mg/m³"},
    {"a24016", "1,1-dichloroethane", "1,1-二氯乙烷", "mg/m³"},
    {"a24017", "1,2-dichloroethane", "1,2-二氯乙烷", "mg/m³"},
    {"a24027", "1,2-dichloropropane", "1,2-二氯丙烷", "mg/m³"},
    {"a24034", "1,2-dibromoethane", "1,2-二溴乙烷", "mg/m³"},
    {"a24036", "cyclohexane", "环己烷", "mg/m³"},
    {"a24042", "n-hexane", "正己烷", "mg/m³"},
    {"a24043", "n-heptane", "正庚烷", "mg/m³"},
    {"a24046", "vinyl chloride", "氯乙烯", "mg/m³"},
    {"a24047", "1,1-dichloroethene", "1,1-二氯乙烯", "mg/m³"},
    {"a24049", "trichloroethene", "三氯乙烯", "mg/m³"},
    {"a24050", "tetrachloroethene", "四氯乙烯", "mg/m³"},
    {"a24053", "propene", "丙烯", "mg/m³"},
    {"a24054", "1,3-dichloropropene", "1,3-二氯丙烯", "mg/m³"},
    {"a24072", "1,4-dioxane", "1,4-二恶烷", "mg/m³"},
    {"a24078", "1,3-butadiene", "1,3-丁二烯", "mg/m³"},
    {"a24087", "hydrocarbons", "碳氢化合物", "mg/m³"},
    {"a24088", "non-methane hydrocarbons", "非甲烷总烃", "mg/m³"},
    {"a24099", "chloromethane", "氯甲烷", "mg/m³"},
    {"a24110", "trans-1,2-dichloroethene", "反式-1,2-二氯乙烯", "mg/m³"},
    {"a24111", "cis-1,2-dichloroethene", "顺式-1,2-二氯乙烯", "mg/m³"},
    {"a24112", "trans-1,3-dichloropropene", "反式-1,3-二氯丙烯", "mg/m³"},
    {"a24113", "hexachloro-1,3-butadiene", "六氯-1,3-丁二烯", "mg/m³"},
    {"a25002", "benzene", "苯", "mg/m³"},
    {"a25003", "toluene", "甲苯", "mg/m³"},
    {"a25004", "ethylbenzene", "乙苯", "mg/m³"},
    {"a25005", "xylene", "二甲苯", "mg/m³"},
    {"a25006", "1,2-xylene", "1,2-二甲基苯", "mg/m³"},
    {"a25007", "1,3-xylene", "1,3-二甲基苯", "mg/m³"},
    {"a25008", "1,4-xylene", "1,4-二甲基苯", "mg/m³"},
    {"a25010", "chlorobenzene", "氯苯", "mg/m³"},
    {"a25011", "1,2-dichlorobenzene", "1,2-二氯苯", "mg/m³"},
    {"a25012", "1,3-dichlorobenzene", "1,3-二氯苯", "mg/m³"},
    {"a25013", "1,4-dichlorobenzene", "1,4-二氯苯", "mg/m³"},
    {"a25014", "1-ethyl-4-methylbenzene", "1-乙基-4-甲基苯", "mg/m³"},
    {"a25023", "nitrobenzene", "硝基苯", "mg/m³"},
    {"a25038", "styrene", "乙烯基苯", "mg/m³"},
    {"a25044", "benzo(a)pyrene", "苯并(a)芘", "mg/m³"},
    {"a25072", "tetrahydrofuran", "四氢呋喃", "mg/m³"},
    {"a26001", "anilines", "苯胺类", "mg/m³"},
    {"a29017", "ethyl acetate", "乙酸乙酯", "mg/m³"},
    {"a29026", "vinyl acetate", "乙酸乙烯酯", "mg/m³"},
    {"a30001", "methanol", "甲醇", "mg/m³"},
    {"a30008", "isopropanol", "异丙醇", "mg/m³"},
    {"a30022", "thiols", "硫醇", "mg/m³"},
    {"a31001", "formaldehyde", "甲醛", "mg/m³"},
    {"a31002", "acetaldehyde", "乙醛", "mg/m³"},
    {"a31024", "acetone", "丙酮", "mg/m³"},
    {"a31025", "2-butanone", "2-丁酮", "mg/m³"},
    {"a31030", "methyl isobutyl ketone", "甲基异丁基甲酮", "mg/m³"},
    {"a34001", "total suspended particles", "总悬浮颗粒物 TSP", "ng/m³"},
    {"a34002", "PM10", "可吸入颗粒物 PM10", "ng/m³"},
    {"a34004", "PM2.5", "细颗粒物 PM2.5", "ng/m³"},
    {"a34005", "PM1.0", "亚微米颗粒物 PM1.0", "ng/m³"},
    {"a34011", "dust fall", "降尘", "t/(km²·月)"},
    {"a34013", "smoke dust", "烟尘", "mg/m³"},
    {"a34017", "carbon black dust", "炭黑尘", "mg/m³"},
    {"a34038", "asphalt fume", "沥青烟", "mg/m³"},
    {"a34039", "sulfuric acid mist", "硫酸雾", "mg/m³"},
    {"a34040", "chromic acid mist", "铬酸雾", "mg/m³"},
    {"a99010", "acrylonitrile", "丙烯腈", "mg/m³"},
    {"a99049", "phosgene", "光气", "mg/m³"},
    {"a99051", "carbon disulfide", "二硫化碳", "mg/m³"},
    /* of 2005 */
    {"B01", "waste water flow", "污水流量", "L/s"},
    {"B02", "waste gas flow", "废气流量", "m³/s"},
    {"001", "pH", "pH 值", ""},
    {"003", "suspended solids", "悬浮物", "mg/L"},
    {"011", "chemical oxygen demand", "化学需氧量", "mg/L"},
    {"020", "total mercury", "总汞", "mg/L"},
    {"022", "total cadmium", "总镉", "mg/L"},
    {"023", "total chromium", "总铬", "mg/L"},
    {"024", "hexavalent chromium", "六价铬", "mg/L"},
    {"026", "total arsenic", "总砷", "mg/L"},
    {"027", "total lead", "总铅", "mg/L"},
    {"028", "total nickel", "总镍", "mg/L"},
    {"029", "total copper", "总铜", "mg/L"},
    {"030", "total zinc", "总锌", "mg/L"},
    {"060", "ammonia nitrogen", "氨氮", "mg/L"},
    {"065", "total nitrogen", "总氮", "mg/L"},
    {"101", "total phosphorus", "总磷", "mg/L"},
    {"01", "smoke dust", "烟尘", "mg/m³"},
    {"02", "sulfur dioxide", "二氧化硫", "mg/m³"},
    {"03", "nitrogen oxides", "氮氧化物", "mg/m³"},
    {"04", "carbon monoxide", "一氧化碳", "mg/m³"},
    {"05", "hydrogen sulfide", "硫化氢", "mg/m³"},
    {"S01", "oxygen content", "O₂ 含量", "%"},
    {"S02", "stack gas velocity", "烟气流速", "m/s"},
    {"S03", "stack gas temperature", "烟气温度", "℃"},
    {"S04", "stack gas dynamic pressure", "烟气动压", "Pa"},
    {"S05", "stack gas humidity", "烟气湿度", "%"},
    {"S06", "condenser temperature", "制冷温度", "℃"},
    {"S07", "duct cross-section", "烟道截面积", "m²"},
    {"S08", "stack gas pressure", "烟气压力", "Pa"},
};

static const struct hj212_code attrs[] = {
    {"Rtd", "real-time value", "实时值", ""},
    {"Cou", "total of the period", "累计值", ""},
    {"Min", "minimum", "最小值", ""},
    {"Avg", "average", "平均值", ""},
    {"Max", "maximum", "最大值", ""},
    {"ZsRtd", "real-time value, converted", "实时折算值", ""},
    {"ZsMin", "minimum, converted", "折算最小值", ""},
    {"ZsAvg", "average, converted", "折算平均值", ""},
    {"ZsMax", "maximum, converted", "折算最大值", ""},
    {"Flag", "data flag", "数据标记", ""},
    {"EFlag", "state of the instrument", "设备标志", ""},
    {"SampleTime", "time of sampling", "采样时间", ""},
    {"RS", "running state", "运行状态", ""},
    {"RT", "running time", "运行时间", "h"},
    {"Ala", "value at the alarm", "报警值", ""},
    {"Data", "noise level", "噪声数据", "dB"},
    {"DayData", "noise level by day", "昼间噪声", "dB"},
    {"NightData", "noise level at night", "夜间噪声", "dB"},
    {"Info", "information", "现场端信息", ""},
    {"SN", "serial number", "设备唯一标识", ""},
};

static const struct hj212_number qnrtns[] = {
    {1, "ready", "准备执行请求"},       {2, "request refused", "请求被拒绝"}, {3, "wrong password (PW)", "PW 错误"},
    {4, "wrong MN", "MN 错误"},         {5, "wrong ST", "ST 错误"},           {6, "wrong Flag", "Flag 错误"},
    {7, "wrong QN", "QN 错误"},         {8, "wrong CN", "CN 错误"},           {9, "wrong CRC", "CRC 校验错误"},
    {100, "unknown error", "未知错误"},
};
static const struct hj212_number exertns[] = {
    {1, "done", "执行成功"},
    {2, "failed for an unknown reason", "执行失败，但不知道原因"},
    {3, "the conditions are not met", "命令请求条件错误"},
    {4, "timed out", "通讯超时"},
    {5, "the system is busy", "系统繁忙不能执行"},
    {6, "the system is faulty", "系统故障"},
    {100, "no data", "没有数据"},
};
static const struct hj212_number systems[] = {
    {21, "surface water", "地表水质量监测"},
    {22, "air quality", "空气质量监测"},
    {23, "ambient noise", "声环境质量监测"},
    {24, "ground water", "地下水质量监测"},
    {25, "soil", "土壤质量监测"},
    {26, "sea water", "海水质量监测"},
    {27, "volatile organic compounds", "挥发性有机物监测"},
    {31, "stack gas source", "大气环境污染源"},
    {32, "waste water source", "地表水体环境污染源"},
    {33, "ground water source", "地下水体环境污染源"},
    {34, "sea source", "海洋环境污染源"},
    {35, "soil source", "土壤环境污染源"},
    {36, "noise source", "声环境污染源"},
    {37, "vibration source", "振动环境污染源"},
    {38, "radioactive source", "放射性环境污染源"},
    {39, "dust of sites", "工地扬尘污染源"},
    {41, "electromagnetic source", "电磁环境污染源"},
    {51, "process of stack gas treatment", "烟气排放过程监控"},
    {52, "process of sewage treatment", "污水排放过程监控"},
    {91, "system", "系统交互"},
};

static const struct hj212_flag flags[] = {
    {'N', QUALITY_GOOD, REASON_NONE, "normal", "正常"},
    {'F', QUALITY_BAD, REASON_OUT_OF_SERVICE, "stopped", "停运"},
    {'M', QUALITY_BAD, REASON_OUT_OF_SERVICE, "maintenance", "维护"},
    {'S', QUALITY_GOOD, REASON_MANUAL, "entered by hand", "手工输入"},
    {'D', QUALITY_BAD, REASON_DEVICE_FAILURE, "fault of the instrument", "故障"},
    {'C', QUALITY_BAD, REASON_OUT_OF_SERVICE, "calibration", "校准"},
    {'T', QUALITY_UNCERTAIN, REASON_OUT_OF_RANGE, "above the range", "超测上限"},
    {'B', QUALITY_BAD, REASON_COMM_FAILURE, "no communication with the instrument", "通讯异常"},
    {'P', QUALITY_BAD, REASON_DEVICE_FAILURE, "power failure (2005)", "电源故障（2005）"},
    {'0', QUALITY_BAD, REASON_OUT_OF_SERVICE, "calibration (2005, air)", "校准数据（2005 空气）"},
    {'1', QUALITY_GOOD, REASON_NONE, "weather (2005, air)", "气象参数（2005 空气）"},
    {'2', QUALITY_UNCERTAIN, REASON_DEVICE_EXCEPTION, "abnormal (2005, air)", "异常数据（2005 空气）"},
    {'3', QUALITY_GOOD, REASON_NONE, "normal (2005, air)", "正常数据（2005 空气）"},
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

const struct hj212_command *hj212_command(unsigned cn)
{
    for (size_t i = 0; i < COUNT(commands); i++)
        if (commands[i].cn == cn) return &commands[i];
    return NULL;
}

static const struct hj212_code *find_code(const struct hj212_code *rows, size_t n, struct str code)
{
    for (size_t i = 0; i < n; i++)
        if (str_is(code, rows[i].code)) return &rows[i];
    return NULL;
}

const struct hj212_code *hj212_code(struct str code)
{
    const struct hj212_code *c = find_code(codes, COUNT(codes), code);
    if (c == NULL && code.n > 1 && code.p[code.n - 1] == 'z')
        c = find_code(codes, COUNT(codes), str_sub(code, 0, code.n - 1));
    return c;
}

const struct hj212_code *hj212_codes(size_t *ret_n)
{
    *ret_n = COUNT(codes);
    return codes;
}

const struct hj212_code *hj212_attr(struct str attr)
{
    return find_code(attrs, COUNT(attrs), attr);
}

static const struct hj212_number *find_number(const struct hj212_number *rows, size_t n, int x)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].n == x) return &rows[i];
    return NULL;
}

const struct hj212_number *hj212_qnrtn(int n)
{
    return find_number(qnrtns, COUNT(qnrtns), n);
}
const struct hj212_number *hj212_exertn(int n)
{
    return find_number(exertns, COUNT(exertns), n);
}
const struct hj212_number *hj212_system(int st)
{
    return find_number(systems, COUNT(systems), st);
}

const struct hj212_flag *hj212_flag(struct str flag)
{
    for (size_t i = 0; flag.n == 1 && i < COUNT(flags); i++)
        if (flags[i].letter == flag.p[0]) return &flags[i];
    return NULL;
}
